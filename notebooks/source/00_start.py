# %% [markdown] id=title
# # Start: what is wrong, and what will be looked at
#
# Updates should arrive by themselves, and they do not. This workbook finds out why. It follows an update's way from the
# application to the page, tries the same thing at every place on that way, and compares. Each of its twelve steps asks
# one question and answers it with a picture, a table and a verdict.
#
# A **WebSocket** begins as an ordinary HTTP request that asks to *upgrade*. If the server answers `101 Switching Protocols`,
# the connection stays open and both sides send messages on it whenever they like. So there are three ways to fail: the
# upgrade is refused, the open connection dies, or it lives and messages do not come through.

# %% include parameters.py

# %% [markdown] id=how-to-begin
# Give the endpoint, and whatever else you have. Nothing is needed but the endpoint, and not even that: without it, the
# workbook examines the **lab**, a small deployment that it starts on this machine. Every further thing you give lets more
# steps say something. What was not given is listed as *not looked at*, never as fine.

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
# What was told narrows the search: a close code, a status, a time after which it happens, a share of the clients. It is
# evidence of a kind, marked as *told*. A measurement outweighs it.

# %% id=s0-run tags=step-0
told = await book.step("0")
told.table()

# %% id=s0-verdict tags=nbval-check-output,step-0
told.verdict()

# %% [markdown] id=first-about
# ## One direct attempt
#
# Before anything else, the upgrade is tried once without browser and frontend. The answer decides what the other steps are
# good for: if it is refused here, the page cannot work either; if it is accepted here, look at what differs in the browser.

# %% id=s13-run tags=step-1.3
direct = await book.step("1.3")
direct.plot()
direct.findings()

# %% id=s13-verdict tags=nbval-check-output,step-1.3
direct.verdict()

# %% [markdown] id=plan-about
# ## What will be looked at
#
# The steps go from the outside inwards and from the cheap to the costly. An earlier fault can make a later step pointless;
# that step is then *skipped*, with the reason, and never called a failure.

# %% id=plan
book.plan()

# %% id=close
book.close()

# %% [markdown] id=next
# Go on with `01_initial_diagnosis.ipynb`. To run everything and read only the result, open `05_findings.ipynb`.
