"""Sends mail behind requests: a few at once, a bounded queue, each in a thread that never keeps the process alive."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import smtplib
import threading
from collections.abc import Awaitable, Callable

from core.errors import Overloaded
from core.mail.smtp import Mail, MailRefused, MailServer, send

logger = logging.getLogger("isthmus.mail")

WAITING_MOST = 200
"""Mails that wait or are being sent, of one worker."""
AT_ONCE = 4
TRIES = 3
PAUSES = (2.0, 15.0)
"""Seconds before the second and the third try."""
MAIL_SECONDS = 60.0
"""Longest one try may take in all."""
GRACE_SECONDS = 5.0
"""How long a worker that stops waits for mail under way."""

Prepare = Callable[[], Awaitable[Mail | None]]
"""Finds out what is to be sent; None: nothing. It runs behind the request, so that its time tells nothing."""
Send = Callable[[MailServer, Mail], None]


class Mailer:
    """One a worker."""

    def __init__(self, deliver: Send = send, pauses: tuple[float, ...] = PAUSES) -> None:
        self._deliver = deliver
        self._pauses = pauses
        self._tasks: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(AT_ONCE)

    def post(self, server: MailServer, prepare: Prepare) -> None:
        """Takes a mail to be prepared and sent, and comes back at once. Raises Overloaded where too many wait."""
        if len(self._tasks) >= WAITING_MOST:
            raise Overloaded("Too many mails wait to be sent; try again later.")
        task = asyncio.get_running_loop().create_task(self._run(server, prepare))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, server: MailServer, prepare: Prepare) -> None:
        try:
            async with self._slots:
                mail = await prepare()
                if mail is not None:
                    await self._send(server, mail)
        except Exception:
            logger.exception("a mail was not sent", extra={"server": server.host})

    async def _send(self, server: MailServer, mail: Mail) -> None:
        for number in range(TRIES):
            try:
                async with asyncio.timeout(MAIL_SECONDS):
                    await _in_thread(self._deliver, server, mail)
                return
            except (MailRefused, smtplib.SMTPAuthenticationError, smtplib.SMTPRecipientsRefused) as error:
                # A refused recipient's address stands in the error: only its kind is told.
                logger.error("a mail was refused", extra={"server": server.host, "reason": _reason(error)})
                return
            except (smtplib.SMTPException, OSError) as error:
                logger.warning("a mail did not get through", extra={"server": server.host, "reason": _reason(error)})
                if number < TRIES - 1:
                    await asyncio.sleep(self._pauses[number])

    async def close(self) -> None:
        """Gives what is under way a moment, and leaves the rest."""
        if self._tasks:
            _, left = await asyncio.wait(self._tasks, timeout=GRACE_SECONDS)
            for task in left:
                task.cancel()
            if left:
                logger.warning("mails were left unsent", extra={"count": len(left)})


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, MailRefused) else type(error).__name__


async def _in_thread(deliver: Send, server: MailServer, mail: Mail) -> None:
    """As asyncio.to_thread, in a thread of its own: those of the default pool are waited for at exit."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def tell(error: Exception | None) -> None:
        if done.done():
            return
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)

    def run() -> None:
        found: Exception | None = None
        try:
            deliver(server, mail)
        except Exception as error:  # noqa: BLE001 - handed over, whatever it is
            found = error
        with contextlib.suppress(RuntimeError):  # the loop has closed: nobody waits any more
            loop.call_soon_threadsafe(tell, found)

    threading.Thread(target=run, name="isthmus-mail", daemon=True).start()
    await done
