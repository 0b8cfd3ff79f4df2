"""Who may go on: the limiter and the locks on source trees."""
