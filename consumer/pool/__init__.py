"""What runs in the pool's processes: the steps of jobs. It knows no event loop and no database."""
