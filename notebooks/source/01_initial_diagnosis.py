# %% [markdown] id=title
# # 1 Initial diagnosis
#
# Four questions narrow the search before anybody touches a proxy or an application: does the page dial the right address,
# what does the browser see, what happens without the browser, and what did the server write down? Where two of these
# disagree, the fault lies between them. An **upgrade**, here and below, is the HTTP request with `Upgrade: websocket` by which
# every WebSocket begins; the answer `101` accepts it, and request and answer together are the **opening handshake**.

# %% include parameters.py

# %% [markdown] id=form-about
# The form takes an endpoint, `ws://` or `wss://`, and reads its parts as you type. With nothing given the bundled lab is
# examined. Logs, configurations and recordings are chosen or pasted under *Files*. A secret that you type is moved into a variable
# of the kernel and never kept in the notebook. *Run this phase* repeats all four steps, and every picture and table below follows;
# *Change* above a step repeats that one with another value, and says what that changed. *Save as target.toml* keeps what is typed
# beside the notebook, which starts with it the next time.

# %% id=open tags=open
from wsbook.views.workbook import open_workbook

book = open_workbook("1", globals())
book.form()
book.chain()

# %% [markdown] id=begin-about
# A browser takes its time to start and to look at the page (step 1.2). It begins now, while the source is read.

# %% id=begin
await book.begin("1.2")

# %% [markdown] id=s11-about
# ## 1.1 Does the frontend dial what the backend offers?
#
# A WebSocket URL has a scheme, a host, a port and a path, and a wrong one of them often answers like a working server that
# says no: a web server answers 404 or 200 to an upgrade on a path it does not know. Code that joins the URL from variables
# makes this easy to get wrong, and different in development and production. Each row of the table is one place that dials,
# beside the route of the backend that it most plausibly means; the part between » and « is the one that differs. Socket.IO
# and SockJS speak protocols of their own on top, so their client does not reach a plain WebSocket route. The scripts that
# the page really loads are read too: a bundle that dials something else than the source was built before the last change.

# %% id=s11-run tags=step-1.1
code = await book.step("1.1")
code.table()
code.findings()

# %% id=s11-verdict tags=nbval-check-output,step-1.1
code.verdict()

# %% [markdown] id=s11-limits
# <details><summary>What this does not show</summary>
#
# Source says what would be dialled, not what was. A value that is only known when the page runs is left open here, marked
# with a question mark and its expression, and settled in step 1.2.
#
# </details>

# %% [markdown] id=s12-about
# ## 1.2 What does the browser see?
#
# A **close code** says why a socket ended: 1000 is good-bye, 1011 an error of the server. Scripts in a page learn nothing about
# a refused upgrade: whatever happened, they get 1006, which nobody sent; it stands for "ended without a word, or never began".
# The status and the headers are there, but only in the developer tools. This step reads a recording of them (HAR), the text of
# the console, or opens the page in a real browser.
#
# A handshake that failed is repeated outside of the browser byte for byte, and then with one thing changed at a time. In the
# table, what the browser showed stands beside what was really answered, the cookies that it held back with the reason, and the
# change that flips the outcome: that change is the cause.
#
# Messages travel in **frames**. In the picture frames that were sent point up, frames that were received point down, and the
# higher they are the larger. Control frames lie on the line: **ping** and pong, by which the two sides ask whether the other is
# still there, and close, which ends the connection. A socket that opens and then shows nothing below the line is one
# on which nothing arrives.
# In JupyterLab the table of frames below the picture follows it: draw a range of time to see only its frames, choose a frame to
# read it in full, type `/` to search.

# %% id=s12-run tags=step-1.2
browser = await book.step("1.2")
browser.frames()
browser.table()
browser.findings()

# %% id=s12-verdict tags=nbval-ignore-output,step-1.2
browser.verdict()

# %% [markdown] id=s12-limits
# <details><summary>What this does not show</summary>
#
# Browsers do not show ping and pong frames to anybody. A repetition is made some moments later and by another program: a
# filter that looks at TLS fingerprints can tell the two apart, and a one-time ticket is used up. Credentials that a recording
# hides cannot be repeated; the table says which.
#
# </details>

# %% [markdown] id=s13-about
# ## 1.3 Does the endpoint accept an upgrade without its frontend?
#
# The same request that a browser would send, sent directly, and then again with one thing changed at a time: without
# **Origin**, the header that names the site of the page; without **extensions**, such as compression, which both sides have to
# agree on; with another path. The change that turns a refusal into an acceptance, or the reverse, is the cause. In the picture
# every row is one attempt and every colour one stage: finding the address, connecting, TLS, the upgrade, the first message. A
# hatched stage is where it stopped. The baseline stands on top; beside each other row stand its answer and, in bold, the stages
# that took clearly longer or shorter than the baseline's. In JupyterLab *Compare attempts* chooses the rows and the baseline. In
# the table the arrow marks the changes that flip the result.

# %% id=s13-run tags=step-1.3
direct = await book.step("1.3")
direct.stages()
direct.table("attempts")

# %% [markdown] id=s13-checks-about
# An answer can carry status 101 and still be no valid upgrade. RFC 6455 section 4.1 asks for each of these separately, and
# a browser closes the connection when one of them is wrong. The client sends a random `Sec-WebSocket-Key`; a value computed from
# it has to come back as `Sec-WebSocket-Accept`, which proves that the other side speaks WebSocket and no cache answered. A
# **subprotocol**, the language spoken on top, must be one of those that the client offered. The second table sends messages of
# several sizes and kinds, and compares what comes back where the server echoes.

# %% id=s13-checks tags=step-1.3
direct.table("checks")
direct.table("echo")

# %% [markdown] id=s13-messages-about
# An open socket still has to carry messages. RFC 6455 lets a message come in fragments, with a ping between them, asks that a
# close frame be answered, and wants what clients send **masked**, which is mixed with a random key so that no proxy takes it
# for HTTP; the first table says which of this the server does, and which section asks for it. The second gives the largest
# message that gets through, at the endpoint and behind it, and whose default that is. The third sends the same texts with and
# without compression: what fails only with it is broken by a **hop**, a program on the way, that touches frames.

# %% id=s13-messages tags=step-1.3
direct.table("framing")
direct.table("sizes")
direct.table("compression")

# %% [markdown] id=s13-dialect-about
# Socket.IO, SockJS, SignalR, GraphQL, STOMP and others speak a protocol of their own on top. Where the endpoint, or the page's
# source, gives one away, the endpoint is asked as that library's client asks, and each refusal is explained. A session that
# begins with one request and is unknown to the next one has reached two processes.

# %% id=s13-dialect tags=step-1.3
direct.table("dialect")

# %% [markdown] id=s13-commands-about
# Every attempt can be repeated without this workbook. Secrets are variables of the shell; set them first. `curl` keeps an
# accepted upgrade open until its time is up, so exit code 28 after a printed `101` is success.

# %% id=s13-commands tags=step-1.3
direct.table("commands")
direct.findings()

# %% [markdown] id=s13-listener-about
# An upgrade can also fail at what lies around it. A redirect is followed here, one hop at a time and without carrying cookies
# or tokens to another place; browsers do not follow it. Over TLS the listener is asked for each version by itself, for the
# certificates that it sends, for whether it wants one from the client, and for WebSockets over HTTP/2, which Firefox uses
# wherever they are announced.

# %% id=s13-listener tags=step-1.3
direct.table("redirects")
direct.table("listener")
direct.table("certificates")

# %% id=s13-verdict tags=nbval-check-output,step-1.3
direct.verdict()

# %% [markdown] id=s13-limits
# <details><summary>What this does not show</summary>
#
# This machine is not the user's: another network, another proxy, no cookies. An endpoint that works from here can still be
# out of reach from there; step 2.1 looks at that.
#
# </details>

# %% [markdown] id=s13-console-about
# ### By hand
#
# Some questions are quickest asked by talking to the endpoint oneself: does it answer a ping, does it push anything before a
# client subscribes, with which words does it refuse a token? The console dials what the form above names, or a hop behind
# it, with the target's headers; what a dialect's client would say is offered as a template. Every frame stands in the table
# with its time, ping, pong and close too, which no browser shows. Nothing of this is recorded: *Export as HAR* writes what
# was seen, without secrets, into a file that step 1.2 reads.

# %% id=s13-console
book.console()

# %% [markdown] id=s14-about
# ## 1.4 What do the logs say about handshakes?
#
# A proxy that answers instead of the application leaves a line in its own log and none in the application's. A plain `GET`
# where an upgrade should be says that a proxy before it dropped the header. Log lines are grouped: equal requests with equal
# answers become one row. If there are enough ended connections, the picture shows how old they became; many of one age are
# a time limit, many in one second are a restart. Every attempt of this workbook carries a mark in its User-Agent: its line in
# each log stands beside what we saw of it. Last come lines that nothing explains and that look like errors.

# %% id=s14-run tags=step-1.4
logs = await book.step("1.4")
logs.plot()
logs.table("signatures")
logs.table("access")
logs.table("logged")
logs.table("templates")
logs.findings()

# %% id=s14-verdict tags=nbval-check-output,step-1.4
logs.verdict()

# %% [markdown] id=s14-limits
# <details><summary>What this does not show</summary>
#
# A request that never reached a server left no line there. Many servers log a WebSocket only when it ends, so open
# connections are missing.
#
# </details>

# %% id=close
book.close()

# %% [markdown] id=next
# If the endpoint refused, or only answers from here, go on with [2 Network and infrastructure](02_network_infrastructure.ipynb).
# If it accepted and the messages are missing, [3 Application logic](03_application_logic.ipynb) is next.
