# %% [markdown] id=title
# # 4 Real-time flow
#
# The connection opens, stays open, and is let in. What remains is the message itself: where it gets to, how long it takes,
# and what happens when there are many. On the wire a message is one **frame**, or several; a **subscriber** is whoever holds a
# socket on which it should arrive; a **hop** is one program on the way between the application and the page.

# %% include parameters.py

# %% [markdown] id=form-about
# Something has to set a message off. A **trigger** is an HTTP request (`POST URL BODY`), a text on another socket
# (`SEND WS-URL TEXT`), a message to a Redis channel (`PUBLISH REDIS-URL TEXT`) or a command (`RUN COMMAND`); a **message** is a
# text sent over the socket itself. Write `{marker}` where a mark may stand. Load is sent only to this machine, or to a target that
# you state to be yours.

# %% id=open tags=open
from wsbook.views.workbook import open_workbook

book = open_workbook("4", globals())
book.form()
book.chain()

# %% [markdown] id=s41-about
# ## 4.1 Where does one message go?
#
# Several times over, an event with a mark that exists nowhere else is set off, and every place that can be watched is watched for
# that mark: the broker, log files, a subscriber of our own at each hop and at the endpoint, and in a real browser the frame that came
# in, the page's function that took it, the document, and the screen. The application is not changed for this.
#
# The picture is a **waterfall** of one of the messages. Time runs to the right from the trigger; places stand in the order of the
# way. A bar begins when the place before had the message and ends when this one had it, so that long bars are where the time goes,
# and the words on the right give the moment and the step. Whiskers say where eight tenths of *all* messages lie. The grey ground
# holds what happens inside the page. Logs and the answer to the trigger stand beside the way, in grey: nothing waits for them.
#
# A cross marks the first place that never saw the mark: the message was lost between there and the place above. A place that saw it
# twice delivers twice: a retry, a second subscription, a listener that was added again. A place whose times another machine's clock
# gave has a pale band, as wide as that clock is unsure.

# %% id=s41-run tags=step-4.1
trace = await book.step("4.1")
trace.plot("trace")
trace.table("trace")
trace.findings()

# %% [markdown] id=s41-steps-about
# One message may have been unlucky. Here each dot is one of them on one step of the way, and the bar stands at the half of them. Dots
# close together are a step that always takes its time; a dot far to the right is a pause that hit one message, such as a collection
# of garbage. Our own subscribers stand side by side, so that a step between two of them may be negative: who is nearer hears it
# first. From document to screen a browser waits for its next picture, up to 17 ms at 60 pictures a second.

# %% id=s41-steps tags=step-4.1
trace.plot("steps")
trace.table("clocks")

# %% [markdown] id=s41-page-about
# When the message reaches the page and goes no further, the page itself tells why. An exception after the frame came means that
# the handler broke on it; many applications catch it and say nothing, so that the console stays clean. A message calls itself
# something, `"type": "order_update"` for example: when that word stands in none of the page's scripts, but one much like it
# does, sender and page do not agree on the name, and the page drops the message as one that is not for it.

# %% id=s41-page tags=step-4.1
trace.table("page")

# %% [markdown] id=s41-burst-about
# Messages that pass alone may not pass in a crowd. A queue with room for ten loses the eleventh, and so does a page that keeps only
# the newest. So many events are set off at once, and each place counts which of them it saw. What is missing is hatched.

# %% id=s41-burst tags=step-4.1
trace.plot("burst")
trace.table("burst")

# %% id=s41-verdict tags=nbval-check-output,step-4.1
trace.verdict()

# %% [markdown] id=s41-limits
# <details><summary>What this does not show</summary>
#
# What is lost once in ten thousand messages is not seen in five or in fifty; step 4.2 sends more. Our subscribers are not your
# users: a message that is only for one of them, or only for who is logged in, needs the headers and the subscription of that
# user. What a page draws on a canvas cannot be read. Between two places that are watched, nothing says which of the programs
# between them was slow; give more of them as hops or logs. To watch a place inside the page that has no name here, write
# `performance.mark("wsbook:PLACE " + text)` into it.
#
# </details>

# %% [markdown] id=s42-about
# ## 4.2 What happens as the rate rises?
#
# Messages are sent by the clock, at rising rates, whether or not the answers keep up. This is an **open loop**: so many users press
# their buttons, and they do not wait for one another. Most tools work in a **closed loop**: they send, wait for the answer, and send
# again, so that a slow server is asked less often, and looks better than it is. A server that stands for a second then shows as *one*
# slow message. Here every message that was due in that second counts with the time that its sender would have waited, because time
# runs from the instant at which it *should* have been sent.
#
# p50 is the time that half of the messages beat, p99 that all but one in a hundred beat. While both are level, the server keeps up.
# Where they begin to rise together, it takes longer than it has: a queue grows, and more load only makes it longer. The last rate
# before that is the **knee**. Plan for less than that, since load is never even. A cross marks a rate at which messages were lost.
#
# The sender is a program too, and may be the one that is slow. It measures how late it was itself; where that was too much, or its
# processor was full, the run is **void**: grey, without figures, and nothing is concluded from it.

# %% id=s42-run tags=step-4.2
volume = await book.step("4.2")
volume.plot()
volume.table("load")
volume.findings()

# %% [markdown] id=s42-moments-about
# Over time the same figures tell what kind of trouble it is. A single peak that comes down again is a pause: a blocking call, a
# collection, a deploy. Lines that rise to the end are a queue that never empties. Losses stand beneath the moment at which the lost
# messages were due, and beneath them, on the same axis, what the busiest server process used, if it runs on this machine or
# has a metrics URL: latency that rises while the processor stays at 100 % is a server at its limit, and latency that rises
# while it idles is one that waits for something else.

# %% id=s42-moments tags=step-4.2
volume.plot("moments")

# %% [markdown] id=s42-tail-about
# An average hides the worst. This picture opens the tail: each step to the right leaves ten times fewer messages, and asks how long
# those took. It ends where single messages would decide. A page that loads fifty things meets the slowest one in fifty each time, so
# what is rare for a message is common for a user. A line that is level and then jumps says that a few messages met a pause; a line
# that climbs evenly says that all of them wait in a queue.

# %% id=s42-tail tags=step-4.2
volume.plot("tail")

# %% [markdown] id=s42-grid-about
# Rate is not all: the same number of messages over more connections costs more, and a broadcast costs once for each listener.
# With the budget *thorough* runs are made over a grid. Cells hold p99; darker is slower, an orange frame has lost messages,
# grey is void, and the dashed line is the knee. Then the connections that did not get everything: if all lost a little, the
# server drops messages; if one lost all, it is that connection, or the process behind it.

# %% id=s42-grid tags=step-4.2
volume.plot("grid")
volume.plot("lossy")
volume.table("lossy")

# %% [markdown] id=s42-own-about
# Now ask for yourself. With JupyterLab the cell below is a form: choose a rate at which the server was still well, double it,
# and watch the lines leave one another. Nothing of it enters the record, since a colleague who runs this notebook would not
# have clicked as you did. Without a form the cell names the command that sends the same.

# %% id=s42-own
book.load()

# %% [markdown] id=s42-page-about
# The last queue is in the page. A browser has one thread for your scripts, layout and drawing. A page that changes its document
# for every message is busy with layout long before the network is; its pictures come slowly, clicks wait, and messages pile up
# where no tool on the server sees them. The upper lines should lie on one another. Where *handled* falls below *came*, messages wait;
# where *shown* falls below *handled*, the page leaves some out, which is right for prices and wrong for orders. The cure is to
# gather messages and draw once a picture, with `requestAnimationFrame`.

# %% id=s42-page tags=step-4.2
volume.plot("page_load")
volume.table("page")

# %% id=s42-verdict tags=nbval-check-output,step-4.2
volume.verdict()

# %% [markdown] id=s42-limits
# <details><summary>What this does not show</summary>
#
# One machine sends over loopback or over your network, not over a thousand phones: what it costs to connect over TLS from many
# places, lossy radio and address translators are not in these figures. Runs are short, and a leak takes hours. Of a server on
# another machine without a metrics URL neither processor nor memory is known. Latency of a broadcast over several machines
# carries the error of their clocks. Where a server numbers its own messages, losses are counted, and latencies are not, because
# nobody knows when they were due. The page is one page in one browser on this machine, which is faster than most phones.
#
# `wsbook load` sends longer and larger loads from the command line, from several processes or machines, with troubles on the way, and
# with demands such as `p99 < 50 ms` that decide its exit code.
#
# </details>

# %% id=close
book.close()

# %% [markdown] id=next
# The result of all phases stands in [5 Findings](05_findings.ipynb).
