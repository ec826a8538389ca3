"""What a request becomes before it waits: tokens and pictures, counted against the context."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable

from qwen_vl_app.chat import Delta, FramePair, Image, Request, Text
from qwen_vl_app.engine.grammar import FIELD, to_gbnf
from qwen_vl_app.engine.job import Job
from qwen_vl_app.engine.native import Language
from qwen_vl_app.engine.plan import Plan
from qwen_vl_app.engine.prompt import Entry, Filled, Picture, PromptTemplate, picture_key
from qwen_vl_app.engine.sampling import Sampler
from qwen_vl_app.engine.sequences import cells
from qwen_vl_app.engine.vision import Vision
from qwen_vl_app.errors import AppError, ContextOverflow, InvalidField

REMEMBERED = 1000  # answers whose token ids are kept


class Intake:
    """Tokenises requests, in any thread.

    It remembers the ids of answers: text that is tokenised again can differ and would lose the prefix.
    """

    def __init__(self, plan: Plan, language: Language, vision: Vision) -> None:
        self._ctx_size = plan.ctx_size
        self._language = language
        self._vision = vision
        self._longest = max(len(language.piece(token)) for token in range(language.vocab_size))  # bytes of a token
        self._template = PromptTemplate(language.template)
        self._answers: OrderedDict[tuple[str, bytes], tuple[int, ...]] = OrderedDict()

    def job(self, request: Request, tell: Callable[[str, Delta | AppError], None]) -> Job:
        """The job for `request`.

        Raises:
            ContextOverflow: prompt and one token of answer do not fit one conversation.
            InvalidField: the JSON schema is not supported.
        """
        self._check_size(request)
        pictures: dict[str, Image | FramePair] = {}
        entries = self._entries(request, pictures)
        needed = cells(entries) + 1
        if needed > self._ctx_size:
            raise ContextOverflow(needed=needed, limit=self._ctx_size)
        room = self._ctx_size - cells(entries)
        limit = room if request.max_tokens is None else min(request.max_tokens, room)
        return Job(request, entries, pictures, self._sampler(request), limit, tell)

    def _check_size(self, request: Request) -> None:
        """Refuse what cannot fit at all before it is tokenised: megabytes of words take seconds."""
        texts = [part.text for message in request.messages for part in message.parts if isinstance(part, Text)]
        least = sum(map(len, texts)) // self._longest
        if least > self._ctx_size:
            raise ContextOverflow(needed=least, limit=self._ctx_size)

    def _sampler(self, request: Request) -> Sampler:
        bias = [(token, value) for token, value in request.logit_bias if 0 <= token < self._language.vocab_size]
        gbnf = to_gbnf(request.json_schema) if request.json_schema else ""
        try:
            return self._language.sampler(request.sampling, bias, gbnf)
        except ValueError:
            raise InvalidField(field=FIELD, why="has a schema that is too complex") from None

    def remember(self, job: Job) -> None:
        """Keep the answer's ids for the next turn, if they spell what was shown."""
        spelled = b"".join(map(self._language.piece, job.answer)).decode("utf-8", "replace")
        if job.answer and spelled == job.shown:
            begun = _begun(job.request)
            ids = self._text(job.request.owner, Filled("assistant", Text(begun)), begun) if begun else []
            key = _answer_key(job.request.owner, begun + job.shown)
            self._answers[key] = (*ids, *job.answer)
            self._answers.move_to_end(key)
            if len(self._answers) > REMEMBERED:
                self._answers.popitem(last=False)

    def _entries(self, request: Request, pictures: dict[str, Image | FramePair]) -> list[Entry]:
        entries: list[Entry] = []
        for piece in self._template.render(request.messages):
            if isinstance(piece, str):
                entries += self._language.tokenize(piece, special=True)
            elif isinstance(piece.part, Text):
                entries += self._text(request.owner, piece, piece.part.text)
            else:
                entries += self._picture(piece.part, pictures)
        return entries

    def _text(self, owner: str, piece: Filled, text: str) -> list[int]:
        if piece.role == "assistant":
            known = self._answers.get(_answer_key(owner, text))
            if known:
                return list(known)
        return self._language.tokenize(text, special=False)

    def _picture(self, picture: Image | FramePair, pictures: dict[str, Image | FramePair]) -> list[Entry]:
        shape = self._vision.shape(picture)
        key = picture_key(picture)
        pictures[key] = picture
        return [*shape.before, Picture(key, shape.cells, shape.positions), *shape.after]


def _begun(request: Request) -> str:
    """The beginning of the answer that is to be gone on with; mostly empty."""
    last = request.messages[-1]
    return "".join(part.text for part in last.parts if isinstance(part, Text)) if last.role == "assistant" else ""


def _answer_key(owner: str, text: str) -> tuple[str, bytes]:
    return owner, hashlib.sha256(text.encode("utf-8", "replace")).digest()
