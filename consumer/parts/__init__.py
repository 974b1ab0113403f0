"""What kinds are made of: sums by group, bar charts, numbers in sentences. Nothing here is a kind or knows one."""
