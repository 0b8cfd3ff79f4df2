"""Pure models derived from a run's state: status, timeline, queue, estimate, order, layout.

Models hold facts and numbers; `app.text` makes words of them.
"""
