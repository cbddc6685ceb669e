"""gunicorn's settings for all peers that it serves: `gunicorn -c gunicorn_settings.py app`."""

worker_class = "gevent"
worker_connections = 20_000
backlog = 4096
loglevel = "error"
timeout = 120
graceful_timeout = 1
control_socket_disable = True  # unknown, and so ignored, before gunicorn 25
