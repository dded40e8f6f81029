# %% [markdown] id=title
# # 4 Real-time flow
#
# The connection opens, stays open, and is let in. What remains is the message itself: where it gets to, how long it takes,
# and what happens when there are many.

# %% include parameters.py

# %% [markdown] id=form-about
# A **trigger** is an HTTP request that makes the application publish; a **message** does the same over the socket. Write
# `{marker}` where a mark may stand. Load is sent only to this machine, or to a target that you state to be yours.

# %% id=open tags=open
from wsbook.views.workbook import open_workbook

book = open_workbook("4", globals())
book.form()
book.chain()

# %% [markdown] id=s41-about
# ## 4.1 Where does one message go?
#
# One event with a mark that exists nowhere else is set off, and every place that can be watched is watched for it. The bars
# follow each other in the order of the way; the first place that never saw the mark is where the message was lost. A place
# that saw it twice delivers twice: a retry, a second subscription, a listener that was added again.

# %% id=s41-run tags=step-4.1
trace = await book.step("4.1")
trace.plot()
trace.table()
trace.findings()

# %% id=s41-verdict tags=nbval-check-output,step-4.1
trace.verdict()

# %% [markdown] id=s41-limits
# <details><summary>What this does not show</summary>
#
# One message is one sample. A message that is lost now and then is found by step 3.2 and step 4.2, which send many.
#
# </details>

# %% [markdown] id=s42-about
# ## 4.2 What happens as the rate rises?
#
# Messages are sent at fixed instants, at rising rates, whether or not the answers keep up, and time is counted from the
# instant a message *should* have been sent. A server that stops for a second is then seen as a second, where a tool that
# waits for each answer would see one slow message. p50 is the time that half of the messages beat, p99 that all but one in a
# hundred beat. Where the upper lines leave the lower one, a queue begins to grow. If this machine could not send fast enough
# the figures do not count, and the picture says so.

# %% id=s42-run tags=step-4.2
volume = await book.step("4.2")
volume.plot()
volume.table()
volume.findings()

# %% id=s42-verdict tags=nbval-check-output,step-4.2
volume.verdict()

# %% [markdown] id=s42-limits
# <details><summary>What this does not show</summary>
#
# Losses are counted by echo, so the endpoint must answer each message. What a browser's page does with so many messages is
# not measured here.
#
# </details>

# %% id=close
book.close()

# %% [markdown] id=next
# The result of all phases stands in `05_findings.ipynb`.
