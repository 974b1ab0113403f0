"""Who may come in, and as whom: keys, sessions, tickets, links, and what each may take."""
