# %% [markdown] id=title
# # 5 Findings
#
# Everything that was observed, judged together. A fault that another one explains is a consequence; what nothing explains is
# a **root cause**. Mend the root causes first and run again: most of the rest goes with them.

# %% include parameters.py

# %% [markdown] id=form-about
# If a record is given, its observations are judged and only steps that it lacks are run. Without one, all steps run now, which
# takes about a minute with the budget *quick*. In the picture the thick frame is the innermost place that fails.

# %% id=open tags=open
from wsbook.views.workbook import open_workbook

book = open_workbook("5", globals())
book.form()
book.chain()

# %% id=complete tags=complete
await book.complete()

# %% [markdown] id=roots-about
# ## Root causes
#
# Each card says what is wrong, by which observation we know it, how to mend it, and the command that proves it mended. The
# percentage is how sure the rule is; two kinds of evidence that agree raise it.

# %% id=roots
book.root_causes()

# %% id=roots-line tags=nbval-check-output
book.root_cause_line()

# %% [markdown] id=faults-about
# Every fault, with what explains it. A row with an empty last column is a root cause.

# %% id=faults
book.findings()

# %% [markdown] id=steps-about
# ## The twelve steps
#
# *clear* means that it was looked at and nothing was wrong. *unknown* means that it could not be decided; the sentence says
# what would decide it. *skipped* means that an earlier fault makes the question pointless. *not applicable* means that there was
# nothing to look at. Follow a step into the notebook of its phase, the digit before the dot, to see its pictures and tables.

# %% id=steps
book.steps()

# %% id=verdicts
book.verdicts()

# %% [markdown] id=timeline-about
# ## Everything in order of time
#
# One axis for all that was observed: each step's own looks, the browser, marked messages, and the lines of logs and recordings,
# by our clock where theirs is known. What stands in one column happened together; ✗ marks what was refused or failed. Days other
# than today's, and every event beyond the first rows, are in the report.

# %% id=timeline
book.timeline()

# %% [markdown] id=not-looked-about
# ## What was not looked at
#
# Give what the last column names, and run again.

# %% id=not-looked
book.not_looked()

# %% id=made
book.how_made()
book.close()
