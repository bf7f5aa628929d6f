"""A plain TCP backend for ports: repeats what comes in, after a line that says what it is."""

import socket
import threading


class Backend:
    def __init__(self, path=None):
        self.listener = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
        self.listener.bind(path or ("127.0.0.1", 0))
        self.listener.listen(64)
        self.address = (f"unix:{path}" if path
                        else "tcp:127.0.0.1:%d" % self.listener.getsockname()[1])
        self.heard = []
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(s,), daemon=True).start()

    def _serve(self, s):
        with s:
            s.sendall(b"backend\n")
            try:
                while data := s.recv(65536):
                    self.heard.append(data)
                    s.sendall(data)
            except OSError:
                pass

    def close(self):
        self.listener.close()
