"""What other ACME clients left on disk, read and never written: one module for each of them."""
