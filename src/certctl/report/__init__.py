"""One self-contained HTML page of what was, is and will be: lives of keys, renewals, holds."""
