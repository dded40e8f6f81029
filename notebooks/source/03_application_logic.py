# %% [markdown] id=title
# # 3 Application logic
#
# The **upgrade**, the request by which every WebSocket begins, succeeds, and still updates are missing, come twice, or stop
# after a while. The reasons are now in the code of the page, in the code of the application, in who is let in, or in how long
# silence is allowed to last.

# %% include parameters.py

# %% [markdown] id=form-about
# Source folders let the first two steps read; a trigger or a message lets them publish something and count who
# receives it. A **trigger** is what makes the application publish, such as an HTTP request; a **message** is a text on the socket
# itself; `{marker}` in either is replaced by a mark that exists nowhere else. The other two steps need only the endpoint.

# %% id=open tags=open
from wsbook.views.workbook import open_workbook

book = open_workbook("3", globals())
book.form()
book.chain()

# %% [markdown] id=begin-about
# How long silence may last (step 3.4) takes as long as it takes. Its connections are opened now and stay silent while the
# other steps look.

# %% id=begin
await book.begin("3.4")

# %% [markdown] id=s31-about
# ## 3.1 What does the page do with its socket?
#
# A socket ends sooner or later: a deploy, a tunnel, a laptop that sleeps. A page without a `close` handler then shows old
# data for ever; one that reconnects at once and without a pause joins all the others in doing so, and keeps the server down.
# After reconnecting it must subscribe again, and fetch what it missed. A handler that throws on one odd message ends quietly,
# and so do all updates after it. The first table lists defects that were recognised in the source, and guards against them.
#
# Given the page, the workbook also tries it. A browser opens it, unchanged, behind a relay that resets its socket, closes it,
# refuses it for a while, or lets nothing pass any more. The picture shows each attempt to connect again. A client with good
# manners stays near the green band: its pauses double, and chance spreads them, so that a thousand clients do not return in the
# same second. Marks that climb straight up are a client that does not wait. A page that has not come back when the watching
# ends has its clock put forward by minutes, so that a timer that was still waiting is no excuse.

# %% id=s31-run tags=step-3.1
page = await book.step("3.1")
page.plot()
page.table("outages")
page.table("patterns")
page.findings()

# %% id=s31-verdict tags=nbval-check-output,step-3.1
page.verdict()

# %% [markdown] id=s31-limits
# <details><summary>What this does not show</summary>
#
# Patterns are recognised by their form. Code that does the same in another way is not found, and code that is never reached
# is. What the page does in a hidden tab, on a phone, or when somebody clicks is not tried; nor is what it lost without a
# `trigger` or a `message` that publishes something while it is away.
#
# </details>

# %% [markdown] id=s32-begin-about
# Step 3.3 knocks and leaves again, which breaks nobody's silence. It is done while step 3.2 waits for step 3.4: what is published
# there would end the silence of its connections.

# %% id=s32-begin
await book.begin("3.3")

# %% [markdown] id=s32-about
# ## 3.2 Does every subscriber get every message?
#
# Several connections subscribe, messages with a mark are published, and each subscriber counts. If all miss all, nothing is
# published or nothing subscribed. If some miss all, they are usually connected to another process or machine than the
# publisher, and nothing carries messages between them: there is no *bus*, such as Redis. If all miss some, the publisher
# stumbles over a broken or a slow subscriber. The bars show what each one received; the dashed line is what was published.
# Where subscribers may publish, each of them does, and a second table says what passes from instance to instance: a bus that
# works in one direction only shows there.
#
# Most servers run on one event loop, a single thread that serves all sockets in turn, so that everybody shares its fate. Therefore
# quiet connections are sent a **ping** meanwhile, a frame that the other side must answer with a pong: when all of them are late at
# the same moment and answered at once, a blocking call held the loop. Then one subscriber misbehaves, and
# the others are watched.

# %% id=s32-run tags=step-3.2
broadcast = await book.step("3.2")
broadcast.plot()
broadcast.table("broadcast")
broadcast.table("passes")
broadcast.table("patterns")
broadcast.findings()

# %% [markdown] id=s32-crowd-about
# One of the clients now stops reading, as a phone in a tunnel does. The server can drop messages for it, close it, or keep them.
# If it waits for it instead, everybody waits: their lines rise when it stops and fall when it reads again. A second look lets one
# client send as much as it may. Below, pongs of quiet connections: shaded are moments at which a whole process stood still.

# %% id=s32-crowd tags=step-3.2
broadcast.plot("crowd")
broadcast.table("crowd")
broadcast.plot("pulses")
broadcast.table("pulses")

# %% [markdown] id=s32-server-about
# Last, connections come and go in waves: a third says good-bye, a third just hangs up, a third breaks. Afterwards a healthy server
# holds as many descriptors as before. It is watched as a process of this machine, or through a metrics URL. Memory may stay a while:
# allocators and collectors return it late. What a message costs before and after tells whether it is still sent to those that left.

# %% id=s32-server tags=step-3.2
broadcast.plot("server")
broadcast.table("server")

# %% id=s32-verdict tags=nbval-check-output,step-3.2
broadcast.verdict()

# %% [markdown] id=s32-limits
# <details><summary>What this does not show</summary>
#
# A load balancer may by chance have put all subscribers on one instance. The column *instance* tells, if the application says
# who it is; give every instance as a **hop**, a place with a URL of its own, to reach each of them on purpose. Connections in
# masses, floods and slow readers are tried on loopback only, unless you say that the target is yours.
#
# </details>

# %% [markdown] id=s33-about
# ## 3.3 Which origins may open the socket?
#
# CORS, the rules by which browsers let one site read from another, does not hold for WebSockets: a page of any site may open
# one, and the browser sends the user's cookies along. Only the server can prevent that, by comparing the **Origin** header, in
# which a browser names the page's site, with a list. A list that is too short refuses your own page, often after a domain or a
# port changed; none at all lets any site read on a user's behalf. Each row is an Origin, each column a place, with the
# credentials that were given and without: what gets in only with your cookie, from a page that is not yours, is the danger.
# Some rows look like yours and are not (`…example.com.evil.test`): a pattern that is not anchored lets them in. Others are your
# own in a form that no browser sends: where only those get in, the list has a typing error.

# %% id=s33-run tags=step-3.3
origins = await book.step("3.3")
origins.plot()
origins.table("origin")

# %% [markdown] id=s33-cors
# The last column shows `Access-Control-Allow-Origin` beside each outcome, and that they have nothing to do with one another:
# the **handshake**, request and answer of the upgrade, is no CORS request, so no browser looks at that header, and adding it
# cures nothing. The HTTP requests that Socket.IO, SockJS and SignalR make *before* the socket do need it when the page is of
# another origin. Where one of them is spoken here, the next table asks as your page and as a foreign one, and reads the answers
# as a browser would.

# %% id=s33-beside tags=step-3.3
origins.table("cors")
origins.findings()

# %% id=s33-verdict tags=nbval-check-output,step-3.3
origins.verdict()

# %% [markdown] id=s33-limits
# <details><summary>What this does not show</summary>
#
# An endpoint that everybody may open and that asks for a token in its first message may be safe with any Origin. Whether it
# asks is not seen here. Without a cookie among the headers nobody can tell whether a foreign page would act as a user.
#
# </details>

# %% [markdown] id=s34-about
# ## 3.4 How long does a silent socket live?
#
# A socket on which nothing is sent looks dead to everybody on the way, and so everything on the way forgets quiet connections:
# proxies after a minute by default, load balancers and address translators after some minutes. Some say so with a close frame,
# which carries a **close code** such as 1001, some with a TCP end, and some simply stop forwarding, which neither side notices.
# A page then reports code 1006, or nothing at all. So connections of every kind stand side by side: silent ones for rising
# times, others on which we send, ping, or only listen. If the silent ones die and the busy ones live, a limit of silence is the
# cause, and the innermost place where they die owns it. If the busy ones die at the same age, it is a limit of life, and no
# heartbeat helps.

# %% id=s34-run tags=step-3.4
heartbeat = await book.step("3.4")
heartbeat.plot()
heartbeat.table("idle")
heartbeat.findings()

# %% [markdown] id=s34-beats-about
# A **heartbeat** is a small message, or a ping, that is sent at an interval only to keep the connection alive. Its other half is to
# notice who is gone. One client answers the server's pings, one stays mute, and one is cut off
# without a word, as a phone is that has lost its network. A server that never ends them keeps dead sockets; one that ends them
# within a blink drops people whose network only paused. A ping should come at half of the shortest limit, not just before it.

# %% id=s34-beats tags=step-3.4
heartbeat.table("heartbeats")

# %% id=s34-verdict tags=nbval-check-output,step-3.4
heartbeat.verdict()

# %% [markdown] id=s34-limits
# <details><summary>What this does not show</summary>
#
# Limits beyond the longest rung stay unseen: the budget *quick* finds those up to 20 s, *standard* up to 75 s, *thorough* up to
# six minutes. While the server itself keeps talking, silence cannot be tried, and does not happen.
#
# </details>

# %% id=close
book.close()

# %% [markdown] id=next
# Go on with [4 Real-time flow](04_realtime_flow.ipynb) to follow single messages, or read the result in
# [5 Findings](05_findings.ipynb).
