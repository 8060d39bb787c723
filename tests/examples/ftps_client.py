"""Use ftplib with servers that want the control connection's session again."""

from __future__ import annotations

import ftplib


class FTP(ftplib.FTP_TLS):
    """Resumes the session of its first connection in each data connection."""

    def ntransfercmd(self, cmd, rest=None):
        """Open a data connection."""
        sock, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
        if self._prot_p:
            sock = self.context.wrap_socket(
                sock, server_hostname=self.host, session=self.sock.session
            )
        return sock, size
