# %% [markdown] id=title
# # 2 Network and infrastructure
#
# Between the page and the application stand a resolver, networks, firewalls, and usually one or more reverse proxies. Each
# of them was built for short requests and must be told to let an upgrade through and to leave a quiet connection alone.

# %% include parameters.py

# %% [markdown] id=form-about
# Give **hops** to get the most out of this phase: the same endpoint as it is reached at the application itself, and behind
# each proxy. The attempt is then made at every one of them, and the first that differs is the culprit.

# %% id=open tags=open
from wsbook.views.workbook import open_workbook

book = open_workbook("2", globals())
book.form()
book.chain()

# %% [markdown] id=s21-about
# ## 2.1 Is the way to the port open?
#
# Four things can close it, and they look different. *Refused* is an answer: the machine is there and nothing listens.
# *Filtered* is silence: a firewall drops the packets, and the browser waits long. *Reset* comes from somebody on the way or
# from an overloaded server. And a name may have two addresses, of which only one works: browsers try both and hide it,
# programs often do not. A proxy that a company's network demands shows up as environment variables or as a certificate of an
# unexpected issuer.

# %% id=s21-run tags=step-2.1
network = await book.step("2.1")
network.table("ports")
network.findings()

# %% id=s21-verdict tags=nbval-check-output,step-2.1
network.verdict()

# %% [markdown] id=s21-limits
# <details><summary>What this does not show</summary>
#
# Only this machine's network is seen. To know a user's, run this notebook there, or give their proxy as forward_proxy.
#
# </details>

# %% [markdown] id=s22-about
# ## 2.2 Which hop breaks the upgrade?
#
# `Upgrade` and `Connection` are hop-by-hop headers (RFC 9110 section 7.6.1): a proxy does not pass them on unless it is
# configured to. The application then sees an ordinary `GET` and answers with 400, 404 or a page. The picture holds the
# attempts at each place: the innermost refusal counts, those outside of it follow from it.

# %% id=s22-run tags=step-2.2
proxies = await book.step("2.2")
proxies.plot()
proxies.table("attempts")

# %% [markdown] id=s22-routes-about
# What the configuration files say about the endpoint's path, in the same words for every product. *forwarded* means that the
# backend receives what the client sent, *absent* that it receives nothing, anything else is the literal value. The idle
# limit is the time without traffic after which the proxy ends a connection; a default counts as much as a written value.

# %% id=s22-routes tags=step-2.2
proxies.table("routes")

# %% [markdown] id=s22-instances-about
# Behind a balancer several instances answer. A plain WebSocket is one request and may go to any of them. Transports of several
# requests (long polling of Socket.IO, SockJS, SignalR with its negotiation) need *stickiness*: each request of a session must
# reach the instance that began it. So the same client connects several times, without cookies, with the cookie that it was
# given, and where possible from other addresses; and where the endpoint speaks such a transport, whole sessions are held, each
# request over a connection of its own. What names the instance is said in the findings; where nothing does, nothing is claimed.

# %% id=s22-instances tags=step-2.2
proxies.plot("instances")
proxies.table("instances")
proxies.table("sessions")
proxies.findings()

# %% id=s22-verdict tags=nbval-check-output,step-2.2
proxies.verdict()

# %% [markdown] id=s22-limits
# <details><summary>What this does not show</summary>
#
# A file is not always what runs: a server may not have been reloaded since. Where file and attempt disagree, believe the
# attempt.
#
# </details>

# %% id=close
book.close()

# %% [markdown] id=next
# If every hop accepts the upgrade, go on with `03_application_logic.ipynb`.
