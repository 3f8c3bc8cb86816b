"""A service that a test answers for."""

from broker.auth.remote import ALLOWED, DENIED, FAILED, Inquirer, Question, Remote


class Service(Inquirer):
    """Keeps questions until the test answers them, or answers at once.

    Attributes:
        asked: Every question, as the fields that matter: ``queue q read``, ``user ann``.
        open: Those that have no answer yet.
        at_once: The answer for all from here on; None to keep them.
        denied: Of these, the answer is no whatever ``at_once`` says.
    """

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.open: list[tuple[Remote, Question]] = []
        self.at_once: int | None = None
        self.denied: set[str] = set()

    def ask(self, remote: Remote, question: Question) -> None:
        self.asked.append(shown(question))
        if self.at_once is None:
            self.open.append((remote, question))
        else:
            self._answer(remote, question, self.at_once, [])

    def allow(self, *tags: str) -> None:
        """Say yes to what is open, and in the next breath to nothing."""
        self._answer_all(ALLOWED, list(tags))

    def deny(self) -> None:
        self._answer_all(DENIED, [])

    def fail(self) -> None:
        self._answer_all(FAILED, [])

    def _answer_all(self, answer: int, tags: list[str]) -> None:
        questions, self.open = self.open, []
        for remote, question in questions:
            self._answer(remote, question, answer, tags)

    def _answer(self, remote: Remote, question: Question, answer: int, tags: list[str]) -> None:
        remote.answer(question, DENIED if shown(question) in self.denied else answer, tags)


def shown(question: Question) -> str:
    """The question in short, without who asks."""
    fields = {name: value.decode("utf-8", "replace") for name, value in question.fields}
    if "resource" in fields:
        words = [fields["resource"], fields["name"], fields["permission"], fields.get("routing_key", "")]
        return " ".join(word for word in words if word)
    return f"vhost {fields['vhost']}" if "vhost" in fields else f"user {fields['username']}"
