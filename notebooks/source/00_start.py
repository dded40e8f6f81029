# %% [markdown] id=title
# # Start: what is wrong, and what will be looked at
#
# Updates should arrive by themselves, and they do not. This workbook finds out why. It follows an update's way from the
# application to the page, tries the same thing at every place on that way, and compares. Each of its twelve steps asks
# one question and answers it with a picture, a table and a verdict.
#
# A **WebSocket** begins as an ordinary HTTP request that asks to *upgrade*: the **opening handshake**. If the server answers
# `101 Switching Protocols`, the connection stays open and both sides send messages on it whenever they like. So there are
# three ways to fail: the upgrade is refused, the open connection dies, or it lives and messages do not come through.

# %% include parameters.py

# %% [markdown] id=how-to-begin
# To begin, choose *Run* → *Run All Cells* in the menu above, or press Shift+Enter cell by cell. Then give the endpoint, and
# whatever else you have. Nothing is needed but the endpoint, and not even that: without it, the workbook examines the
# **lab**, a small deployment that it starts on this machine. Every further thing you give lets more steps say something.
# What was not given is listed as *not looked at*, never as fine.
#
# <details><summary>Words that come up again and again</summary>
#
# - **endpoint**: the address that the page dials, such as `wss://shop.example/ws`. `ws://` is HTTP beneath, `wss://` HTTPS.
# - **upgrade**, or opening handshake: a `GET` with `Connection: Upgrade` and `Upgrade: websocket`, and the answer 101. Any other
#   status is a refusal.
# - **hop**: one program on the way, such as a load balancer or nginx. The application is the innermost one.
# - **message** and **frame**: a message travels in one frame, or cut into several. A frame has a type, its *opcode*: text or binary
#   for messages, and **ping**, **pong** and **close** for the connection itself. A ping asks "are you there?", and a pong must
# answer.
# - **masking**: what a client sends is mixed with a random key, so that no old proxy takes it for HTTP. It hides nothing.
# - **close code**: why a socket ended. 1000 is good-bye, 1001 going away, 1009 a message too big, 1011 an error of the server. 1006
#   is never sent: a browser reports it when the connection ended without a word, or never began.
# - **Origin**: the header in which a browser names the site of the page that dials: scheme, host and port.
# - **subprotocol**: what the two sides agree to speak on top, by name, in the handshake. **extension**: how frames are changed on the
#   way, in practice compressed.
# - **heartbeat**: small messages or pings at an interval, that keep a quiet connection alive and tell who is gone.
#
# </details>

# %% id=open tags=open
from wsbook.views.workbook import open_workbook

book = open_workbook("0", globals())
book.form()

# %% [markdown] id=chain-about
# ## The way of an update
#
# From left to right, from the browser inwards to the application. Each place shows how the upgrade ended there; the thick
# frame is the innermost place that fails. Everything outside of it can only fail with it. Places nobody tried are grey.

# %% id=chain
book.chain()

# %% [markdown] id=triage-about
# ## What do people see?
#
# What was told narrows the search: a close code, a status, a time after which it happens, a share of the clients. Write it into
# *symptom* as you would say it: "1006 after 60 s idle", "every second client gets nothing". It is evidence of a kind, marked as
# *told*: it orders causes that are otherwise equally likely, and a measurement outweighs it.

# %% id=s0-run tags=step-0
told = await book.step("0")
told.table()

# %% id=s0-verdict tags=nbval-check-output,step-0
told.verdict()

# %% [markdown] id=first-about
# ## Does the endpoint accept an upgrade at all?
#
# Before anything else, the upgrade is tried without browser and frontend. The answer decides what the other steps are good for:
# if it is refused here, the page cannot work either; if it is accepted here, look at what differs in the browser. Each bar of the
# picture is one attempt, from left to right as time passes: finding the address, connecting, TLS, the upgrade.
#
# Below it stands the **verdict**. *fault*: something is wrong, and it is said what. *clear*: it was looked at, and nothing was
# wrong. *unknown*: it could not be decided, which is never the same as clear. *not applicable*: there is nothing to look at.
# *skipped*: an earlier fault makes the question pointless.

# %% id=s13-run tags=step-1.3
direct = await book.step("1.3")
direct.plot()
direct.findings()

# %% id=s13-verdict tags=nbval-check-output,step-1.3
direct.verdict()

# %% [markdown] id=s13-limits
# <details><summary>What this does not show</summary>
#
# An accepted upgrade says nothing yet about messages, about how long the socket lives, or about what a browser makes of it.
# This machine is not the user's either: it may sit behind another network.
#
# </details>

# %% [markdown] id=suspects-about
# ## What is suspected, and what would separate it?
#
# The outcome of the first upgrade leaves some causes and rules out others; what was told moves them up or down. Each of the likeliest
# has a test that separates it from its look-alikes, and a step that makes it. The step to look at next is the one that decides the
# most suspicion in a second. `wsbook run --until-sure` goes on in that order and stops as soon as one cause is sure.

# %% id=suspects
await book.suspects()

# %% [markdown] id=plan-about
# ## What will be looked at
#
# The steps go from the outside inwards and from the cheap to the costly; the table has their questions. An earlier fault can make
# a later step pointless; that step is then *skipped*, with the reason, and never called a failure.

# %% id=plan
book.plan()

# %% id=close
book.close()

# %% [markdown] id=next
# Go on with [1 Initial diagnosis](01_initial_diagnosis.ipynb). To run everything and read only the result, open
# [5 Findings](05_findings.ipynb).
