# %% [markdown] id=title
# # 2 Network and infrastructure
#
# Between the page and the application stand a resolver, networks, firewalls, and usually one or more reverse proxies. Each
# of them was built for short requests and must be told to let an **upgrade** through, the request with `Upgrade: websocket` by
# which every WebSocket begins, and to leave a quiet connection alone.

# %% include parameters.py

# %% [markdown] id=form-about
# A **hop** is one program on the way. Give hops to get the most out of this phase: the same endpoint as it is reached at the
# application itself, and behind each proxy. The attempt is then made at every one of them, and the first that differs is the culprit.
# The configuration of a proxy, chosen or pasted under *Files*, is read line by line.

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
# programs often do not. *Rejected* is an answer too, not of the machine but of a packet filter, which an ICMP message gives away.

# %% id=s21-run tags=step-2.1
network = await book.step("2.1")
network.plot()
network.table("ports")

# %% [markdown] id=s21-proxy-about
# A company's network may demand a forward proxy, named by environment variables such as `HTTPS_PROXY`, by a PAC file, or given here
# as forward_proxy. Browsers ask it for a tunnel with `CONNECT`, for ws:// as well; proxies commonly allow that for port 443 only. And
# on tunnels and VPNs large packets may vanish without a word: the **handshake**, request and answer `101`, passes, the first long
# message does not. So requests and messages of growing size are sent, each on a connection of its own; the kernel tells what was
# never acknowledged. Some networks open TLS on the way and sign with a certificate of their own: who issued it gives them away.

# %% id=s21-proxy tags=step-2.1
network.table("proxy")
network.table("packets")
network.findings()

# %% id=s21-verdict tags=nbval-check-output,step-2.1
network.verdict()

# %% [markdown] id=s21-limits
# <details><summary>What this does not show</summary>
#
# Only this machine's network is seen. To know a user's, run this notebook there, or give their proxy as forward_proxy. PAC files and
# the proxy settings of an operating system are not read. An inspection whose issuer nobody knows is only found where a second way,
# without the proxy for one, shows another certificate.
#
# </details>

# %% [markdown] id=s22-about
# ## 2.2 Which hop breaks the upgrade?
#
# `Upgrade` and `Connection` are hop-by-hop headers (RFC 9110 section 7.6.1): a proxy does not pass them on unless it is
# configured to. The application then sees an ordinary `GET` and answers with 400, 404 or a page. Read the table from the
# application outwards: what passes at one hop and fails at the next is broken by the next. Beside it stand who wrote the
# answer, and which of its headers each hop adds, removes or changes: a hop that leaves nothing there is transparent.

# %% id=s22-run tags=step-2.2
proxies = await book.step("2.2")
proxies.table("hops")

# %% [markdown] id=s22-attempts-about
# Where the upgrade breaks, the last good place is asked again with one thing missing each time: no `Upgrade`, HTTP/1.0,
# another path, no `Sec-WebSocket-Key`. The answer that is the same as the broken hop's tells what that hop loses. In the
# picture the bold words beside a row tell which of its stages took longer or shorter than the baseline's on top.

# %% id=s22-attempts tags=step-2.2
proxies.stages()
proxies.table("attempts")

# %% [markdown] id=s22-routes-about
# What the configuration files say about the endpoint's path, in the same words for every product. *forwarded* means that the
# backend receives what the client sent, *absent* that it receives nothing, anything else is the literal value. The idle
# limit is the time without traffic after which the proxy ends a connection; a default counts as much as a written value.

# %% id=s22-routes tags=step-2.2
proxies.table("routes")

# %% [markdown] id=s22-limits-about
# A silent socket dies of the *shortest* limit on its way, whichever proxy has it: the table holds those of every configuration
# that was read, and marks it. A **heartbeat**, a small message or a **ping** (a frame that the other side must answer with a pong)
# at an interval, has to be faster than that. *life* limits end busy sockets too.

# %% id=s22-limits-table tags=step-2.2
proxies.table("idle limits")

# %% [markdown] id=s22-rehearsals-about
# Where nginx, HAProxy or Caddy is installed, each configuration was started on loopback before a stub in the application's
# place, as it is and with each change that a finding asks for, and the same upgrade made through it. *upgraded* below *changed*
# beside a refusal below *as it is* proves the change. What cannot be tried here, such as a list of allowed addresses, stands
# below *left out*.

# %% id=s22-rehearsals tags=step-2.2
proxies.table("rehearsals")

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
# If a hop breaks the upgrade, mend it, and run this phase again before you go on: later steps would only show its consequences.
# If every hop accepts it, go on with [3 Application logic](03_application_logic.ipynb).
