"""Applications that tests run in real server processes; `support.servers` starts them."""
