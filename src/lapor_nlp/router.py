"""Router: the main path of a report through the library. Start reading here.

Report -> clean -> tokens -> classify, locate, read signals -> responsibility -> look for duplicates -> decide.
Deciding never writes: `remember` and `forget` do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from lapor_nlp.agencies.directory import Directory
from lapor_nlp.agencies.fit import ChosenAgency, OfficeNames
from lapor_nlp.agencies.office import LEVEL_UNDECIDED, REGION_AMBIGUOUS, REGION_NEEDED, Office, Responsibility
from lapor_nlp.blend import FLAGS, KIND, blend_signals
from lapor_nlp.bundle import Bundle, load_bundle
from lapor_nlp.classifier.classifier import Scores
from lapor_nlp.classifier.prediction import Prediction, WordWeight
from lapor_nlp.decision import (
    AgencyChoice,
    ChosenAgencyCheck,
    Decision,
    Failure,
    Flag,
    PersonalData,
    Reason,
    RegionChoice,
    TopicChoice,
    measured,
)
from lapor_nlp.duplicates.detector import Audience, Detector, Found, check_link
from lapor_nlp.duplicates.memory import MemoryStore
from lapor_nlp.duplicates.model import words_alone
from lapor_nlp.duplicates.reader import TraceReader
from lapor_nlp.duplicates.sqlite import SqliteStore
from lapor_nlp.duplicates.store import Link, TraceStore
from lapor_nlp.duplicates.trace import Trace
from lapor_nlp.errors import BundleError, LaporError, StoreError
from lapor_nlp.place import Location, Place
from lapor_nlp.regions.locator import Locator
from lapor_nlp.report import Report, given_id
from lapor_nlp.signals import reading as signals_reading
from lapor_nlp.signals.reading import SignalReading
from lapor_nlp.signals.signals import Signals
from lapor_nlp.taxonomy.migration import chain
from lapor_nlp.taxonomy.taxonomy import Taxonomy
from lapor_nlp.text.clean import clean
from lapor_nlp.text.mask import Masked, Masker
from lapor_nlp.text.tokens import Tokens
from lapor_nlp.text.wordlist import Wordlist
from lapor_nlp.wording import Wording

_HEAD = "topic"
_ALTERNATIVES = 4
_CHUNK = 256
_NOTHING_FOUND = Found()


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """A decision with what moved it.

    `text` is the masked reading (title, line break, text). The spans of `words`, of the location's and of the
    responsibility's evidence count in `Report.reading`; those of the decision in `Report.text`.
    """

    decision: Decision
    text: str
    words: tuple[WordWeight, ...]
    location: Location
    responsibility: Responsibility


@dataclass(frozen=True, slots=True)
class _Text:
    """A report and what can be read from it without the classifier."""

    report: Report
    cleaned: str
    tokens: Tokens
    location: Location
    signals: SignalReading
    personal: tuple[PersonalData, ...]


@dataclass(frozen=True, slots=True)
class _Reading:
    """What the parts say of a report before anything is decided."""

    text: _Text
    topic: Prediction
    rarity: float
    signals: SignalReading
    responsibility: Responsibility
    found: Found = _NOTHING_FOUND


class Router:
    """Routes reports. One router may serve many threads: only its store of earlier reports, if it has one, ever
    changes.

        router = Router.load()
        decision = router.route(Report(id="1", text="Lampu jalan mati di Jl Kaliurang km 5, Sleman"))
        for result in router.route_many(reports): ...

    The constructor stores its parts; `load` builds them.
    """

    def __init__(
        self,
        *,
        bundle: Bundle,
        taxonomy: Taxonomy,
        locator: Locator,
        directory: Directory,
        signals: Signals,
        wordlist: Wordlist,
        masker: Masker,
        wording: Wording,
        office_names: OfficeNames,
        store: TraceStore | None = None,
    ) -> None:
        self.bundle = bundle
        self.taxonomy = taxonomy
        self.locator = locator
        self.directory = directory
        self.signals = signals
        self.wordlist = wordlist
        self.masker = masker
        self.wording = wording
        self.office_names = office_names
        self.store = store
        self.detector = Detector(bundle.pairs or words_alone())
        self._traces = TraceReader.load(wordlist)
        self.policy = bundle.policy(_HEAD)
        self._heads = [head for head in (_HEAD, KIND, *FLAGS) if head in bundle.classifier.labels]
        self._topic_of = _carried_labels(bundle, taxonomy)

    @classmethod
    def load(
        cls,
        bundle: Path | str | None = None,
        *,
        taxonomy: Path | str | None = None,
        agencies: Path | str | None = None,
        agency_names: Path | str | None = None,
        threads: int | None = None,
        store: TraceStore | Path | str | None = None,
    ) -> Router:
        """Build a router from a model folder and tables; whatever is not given is the packaged one.

        `bundle` may be a pointer such as models/current. `threads` is how many the encoder may use, by default one for
        each core. `taxonomy` and `agencies` are a deployment's own folders, `agency_names` a table of local office
        names laid over the packaged one. `store` holds earlier reports, for duplicates: a folder, begun where there is
        none, or a store that is open. Raises BundleError, DataFileError or StoreError naming the file at fault.
        """
        offices = None if agencies is None else Path(agencies)
        names = None if agency_names is None else Path(agency_names)
        topics = Taxonomy.load(None if taxonomy is None else Path(taxonomy))
        locator = Locator.load()
        directory = Directory.load(offices, names=names)
        if offices is not None:
            directory.check({topic.code: topic.urusan for topic in topics}, locator.gazetteer)
        elif names is not None:
            directory.catalogue.check(locator.gazetteer)
        loaded = load_bundle(bundle, threads=threads)
        if isinstance(store, str | Path):
            store = SqliteStore.open(store, space=loaded.space, dimension=vector_size(loaded))
        return cls(
            bundle=loaded,
            taxonomy=topics,
            locator=locator,
            directory=directory,
            signals=Signals.load(),
            wordlist=Wordlist.load(),
            masker=Masker.load(),
            wording=Wording.load(),
            office_names=OfficeNames.load(offices, catalogue=directory.catalogue),
            store=store,
        )

    def route(self, report: Report) -> Decision:
        """Decide one report."""
        return self._decide_all([report])[0]

    def route_many(
        self, reports: Iterable[Report | Mapping[str, Any] | LaporError], *, chunk: int = _CHUNK
    ) -> Iterator[Decision | Failure]:
        """Decide a stream: one result for each row, in order, whatever the size of `chunk`.

        A row may be a Report, a mapping of fields, or an error that a reader met in its place. A row that cannot be
        used, or whose id came before in the same stream, gives a Failure; the rest goes on. When the source itself
        raises, the rows that came before are decided first. At most `chunk` rows are read ahead. With a store, earlier
        reports of the same stream are looked through for duplicates as well, and kept in memory for that while it
        lasts.
        """
        if chunk < 1:
            raise ValueError(f"chunk must be at least 1, not {chunk}")
        return self._stream(reports, chunk)

    def _stream(
        self, reports: Iterable[Report | Mapping[str, Any] | LaporError], chunk: int
    ) -> Iterator[Decision | Failure]:
        seen: set[str] = set()
        recent = None if self.store is None else MemoryStore(vector_size(self.bundle))
        for part, error in _chunks(reports, chunk):
            checked = [check_row(row, seen) for row in part]
            decisions = iter(self._decide_all([row for row in checked if isinstance(row, Report)], recent))
            for row in checked:
                yield row if isinstance(row, Failure) else next(decisions)
            if error is not None:
                raise error

    def explain(self, report: Report) -> Explanation:
        """Decide one report and say what moved the decision: words, places, the rule."""
        (text,), scores = self._score([report])
        raw = scores.predictions()[0]
        reading = self._read(text, raw, float(scores.rarity[0]))
        return Explanation(
            decision=self._decide(reading),
            text=self.masker.mask(report.reading).text,
            words=self.bundle.classifier.explain(text.cleaned, text.tokens, _HEAD, raw[_HEAD]),
            location=text.location,
            responsibility=reading.responsibility,
        )

    def find_duplicates(self, report: Report, *, audience: Audience = "officer", most: int = 5) -> Found:
        """Earlier reports of the store that a report repeats, likeliest first, at most `most`.

        For the audience "citizen" confidential reports and such as are only related are left out. Raises StoreError
        when the router has no store.
        """
        return self.detector.find(self.traces([report])[0], [self._kept], most=most, audience=audience)

    def remember(
        self, reports: Iterable[Report | Mapping[str, Any] | LaporError], *, chunk: int = _CHUNK
    ) -> list[Failure]:
        """Keep reports in the store, so that later ones are compared with them; one with the id of another replaces it.

        What cannot be used, or has an id that came before in the same call, comes back as a Failure; the rest is kept,
        on disk when this returns. No text is kept. Raises StoreError.
        """
        store, seen, failures = self._kept, set[str](), []
        for part, error in _chunks(reports, chunk):
            checked = [check_row(row, seen) for row in part]
            failures += [row for row in checked if isinstance(row, Failure)]
            store.put(self.traces([row for row in checked if isinstance(row, Report)]))
            if error is not None:
                raise error
        return failures

    def forget(self, ids: Iterable[str]) -> int:
        """Delete reports from the store for good, with the verdicts on them; how many there were. Raises StoreError."""
        return self._kept.delete([ids] if isinstance(ids, str) else ids)

    def link(self, child: str, parent: str, *, repeats: bool = True) -> None:
        """Keep an officer's verdict: `child` repeats `parent`, or (`repeats` false) it does not.

        Later decisions follow it. Raises ReportError when a report would repeat itself, StoreError.
        """
        verdict = Link(child=child, parent=parent, repeats=repeats)
        check_link(verdict, [self._kept])
        self._kept.put_link(verdict)

    def unlink(self, child: str, parent: str) -> bool:
        """Take a verdict back; whether there was one. Raises StoreError."""
        return self._kept.delete_link(child, parent)

    def traces(self, reports: Sequence[Report]) -> list[Trace]:
        """What a store keeps of reports, in order."""
        if not reports:
            return []
        texts, scores = self._score(reports)
        topics = [self._carry(raw[_HEAD]).label for raw in scores.predictions()]
        return self._trace(texts, scores, topics)

    def mask(self, text: str) -> Masked:
        """A text with its personal data masked, and the way back to the original spans."""
        return self.masker.mask(text)

    def _decide_all(self, reports: Sequence[Report], recent: MemoryStore | None = None) -> list[Decision]:
        if not reports:
            return []
        texts, scores = self._score(reports)
        parts = zip(texts, scores.predictions(), scores.rarity.tolist(), strict=True)
        readings = [self._read(text, raw, rarity) for text, raw, rarity in parts]
        if self.store is not None:
            traces = self._trace(texts, scores, [reading.topic.label for reading in readings])
            readings = [
                replace(reading, found=self._look_up(trace, recent))
                for reading, trace in zip(readings, traces, strict=True)
            ]
        return [self._decide(reading) for reading in readings]

    def _trace(self, texts: Sequence[_Text], scores: Scores, topics: Sequence[str]) -> list[Trace]:
        projection, lexical = self.bundle.classifier.projection, self.bundle.classifier.lexical
        vectors = None if projection is None or scores.vectors is None else projection(scores.vectors)
        return [
            self._traces.read(
                text.report,
                text.tokens,
                text.location,
                rarity=lexical.word_rarity(self._traces.words(text.tokens)),
                vector=None if vectors is None else vectors[i],
                topic=topics[i],
            )
            for i, text in enumerate(texts)
        ]

    def _look_up(self, trace: Trace, recent: MemoryStore | None) -> Found:
        """Matches in the store and among the reports of the same call, which `trace` then joins."""
        assert self.store is not None
        if recent is None:
            return self.detector.find(trace, [self.store])
        found = self.detector.find(trace, [recent, self.store])
        recent.put([trace])
        return found

    @property
    def _kept(self) -> TraceStore:
        if self.store is None:
            raise StoreError("store", "this router has none; load it with one: Router.load(store='FOLDER')")
        return self.store

    def _score(self, reports: Sequence[Report]) -> tuple[list[_Text], Scores]:
        """While the encoder works, all else is read."""
        classifier, cleaned = self.bundle.classifier, [clean(report.reading) for report in reports]
        encoding = classifier.encoding(cleaned)
        texts = [self._prepare(*pair) for pair in zip(reports, cleaned, strict=True)]
        return texts, classifier.score(cleaned, [text.tokens for text in texts], self._heads, encoding=encoding)

    def _prepare(self, report: Report, cleaned: str) -> _Text:
        tokens = self.wordlist.tokens(cleaned)
        personal = tuple(
            PersonalData(kind=f.kind, span=(f.start - report.text_offset, f.end - report.text_offset))
            for f in self.masker.find(report.reading)
        )
        signals = self.signals.read(cleaned, tokens)
        return _Text(report, cleaned, tokens, self._locate(report, cleaned), signals, personal)

    def _read(self, text: _Text, raw: Mapping[str, Prediction], rarity: float) -> _Reading:
        """What each part says. The parts know nothing of one another; here they meet as plain values."""
        topic = self._carry(raw[_HEAD])
        signals = blend_signals(text.signals, raw, self.bundle.blends)
        chosen = self.taxonomy[topic.label]
        responsibility = self.directory.assign(
            chosen.code,
            chosen.urusan,
            text.tokens,
            text.location,
            urgent=signals.urgent.value,
            pengawasan=signals.pengawasan.value,
        )
        return _Reading(text, topic, rarity, signals, responsibility)

    def _carry(self, prediction: Prediction) -> Prediction:
        """The prediction in the codes of the loaded taxonomy; labels that merged add up."""
        if self._topic_of is None:
            return prediction
        sums: dict[str, float] = {}
        for label, score in zip(prediction.labels, prediction.scores, strict=True):
            code = self._topic_of[label]
            sums[code] = sums.get(code, 0.0) + score
        ranked = sorted(sums.items(), key=lambda item: -item[1])
        return Prediction(labels=tuple(c for c, _ in ranked), scores=tuple(s for _, s in ranked))

    def _locate(self, report: Report, cleaned: str) -> Location:
        return self.locator.locate(
            cleaned,
            latitude=report.latitude,
            longitude=report.longitude,
            provinsi=report.provinsi,
            kabkota=report.kabkota,
            kecamatan=report.kecamatan,
            desa=report.desa,
        )

    def _decide(self, reading: _Reading) -> Decision:
        report, prediction = reading.text.report, reading.topic
        location, signals, responsibility = reading.text.location, reading.signals, reading.responsibility
        topic = self.taxonomy[prediction.label]
        affair, rival = 0.0, 0.0
        for code, score in zip(prediction.labels, prediction.scores, strict=True):
            if self.taxonomy[code].urusan == topic.urusan:
                affair += score
            else:
                rival = max(rival, score)
        confidence = self.policy.calibrated(measured(affair, rival, self.policy.measure), reading.rarity)
        chosen = (
            self.office_names.judge(self.masker.mask(report.chosen_agency).text, responsibility)
            if report.chosen_agency
            else None
        )
        action, reasons = self._act(reading, confidence, chosen)
        codes = {reason.code for reason in reasons}
        offices = () if codes & {"out_of_scope", "text_empty"} else responsibility.offices
        return Decision(
            id=report.id,
            action=action,
            reasons=reasons,
            confidence=confidence,
            topic=TopicChoice(code=topic.code, name=topic.name, score=prediction.score),
            topic_alternatives=tuple(
                TopicChoice(code=code, name=self.taxonomy[code].name, score=score)
                for code, score in zip(prediction.labels[1 : 1 + _ALTERNATIVES], prediction.scores[1:], strict=False)
            ),
            category=self.wording.out_of_scope_category if action == "out_of_scope" else topic.category,
            category_path=(self.wording.out_of_scope_category,) if action == "out_of_scope" else topic.kategori,
            regions=tuple(_region(place, report.text_offset) for place in location.places),
            agency=_agency(offices[0]) if offices else None,
            agency_alternatives=tuple(_agency(office) for office in offices[1:]),
            chosen_agency=_checked(chosen),
            kind=signals.kind,
            kind_score=signals.kind_score,
            urgent=signals.urgent.value,
            pengawasan=signals.pengawasan.value,
            out_of_scope=action == "out_of_scope",
            signals={
                "urgent": _flag(signals.urgent, report.text_offset),
                "pengawasan": _flag(signals.pengawasan, report.text_offset),
                "out_of_scope": _flag(signals.out_of_scope, report.text_offset),
            },
            questions=self._questions(codes, responsibility),
            personal_data=reading.text.personal,
            language=self.wordlist.language(reading.text.tokens),
            bundle=self.bundle.id,
            taxonomy=self.taxonomy.version,
            notes=location.notes + (("duplicates_crowded",) if reading.found.crowded else ()),
            duplicates=reading.found.matches,
        )

    def _act(
        self,
        reading: _Reading,
        confidence: float,
        chosen: ChosenAgency | None,
    ) -> tuple[str, tuple[Reason, ...]]:
        """The action and why. What cannot be acted on comes first, then what a person must see, then acting alone."""
        location, signals, responsibility = reading.text.location, reading.signals, reading.responsibility
        if "isi" in signals.missing:
            return "incomplete", (self.wording.reason("text_empty"),)
        if signals.out_of_scope.value:
            return "out_of_scope", (self.wording.reason("out_of_scope"),)
        if "objek" in signals.missing:
            return "incomplete", (self.wording.reason("object_missing"),)
        if REGION_NEEDED in responsibility.reasons:
            return "incomplete", (self.wording.reason("region_needed"),)
        policy = self.policy
        threshold = policy.threshold(self.taxonomy[reading.topic.label].urusan)
        doubts = []
        if policy.act_alone is None:
            doubts.append("not_calibrated")
        elif threshold is None or not confidence >= threshold:  # so that no number that is none acts alone
            doubts.append("topic_uncertain")
        if REGION_AMBIGUOUS in responsibility.reasons:
            doubts.append("region_ambiguous")
        elif _depends_on_place(responsibility) and location.best and location.best.confidence < policy.place:
            doubts.append("region_uncertain")
        if any(note.endswith("_disagree") for note in location.notes):
            doubts.append("region_conflict")
        if LEVEL_UNDECIDED in responsibility.reasons:
            doubts.append("level_undecided")
        if not responsibility.offices:
            doubts.append("nobody_responsible")
        if signals.pengawasan.value and policy.review_pengawasan:
            doubts.append("pengawasan")
        if chosen is not None and chosen.verdict == "differs":
            doubts.append("agency_differs")
        urgent = ["urgent"] if signals.urgent.value else []
        codes = doubts + urgent if doubts else ["confident", *urgent]
        percent = f"{confidence:.0%}".replace("%", " %")
        return (
            "review" if doubts else "auto",
            tuple(self.wording.reason(code, confidence=percent) for code in codes),
        )

    def _questions(self, codes: set[str], responsibility: Responsibility) -> tuple[str, ...]:
        questions = [self.wording.questions[code] for code in sorted(codes & set(self.wording.questions))]
        if responsibility.question and not codes & {"text_empty", "out_of_scope", "object_missing"}:
            questions = [q for q in questions if q != self.wording.questions.get("region_needed")]
            questions.append(responsibility.question)
        return tuple(dict.fromkeys(questions))


def vector_size(bundle: Bundle) -> int:
    """How many numbers a bundle's vectors for duplicates have; 1 when it makes none."""
    projection = bundle.classifier.projection
    return 1 if projection is None else int(projection.bias.shape[0])


def _chunks(rows: Iterable[Any], size: int) -> Iterator[tuple[list[Any], Exception | None]]:
    """Lists of at most `size` rows; the last one comes with the error that ended the source, if one did."""
    source = iter(rows)
    while True:
        part: list[Any] = []
        try:
            part.extend(islice(source, size))
        except Exception as error:  # noqa: BLE001  (raised again by the caller, after the rows that came before)
            yield part, error
            return
        if not part:
            return
        yield part, None


def check_row(row: Report | Mapping[str, Any] | LaporError, seen: set[str]) -> Report | Failure:
    """A row as a report, or why it cannot be used; `seen` holds the ids that came before, and gains this one."""
    if isinstance(row, LaporError):
        return Failure(id=None, code=row.code, text=str(row))
    try:
        report = row if isinstance(row, Report) else Report.from_mapping(row)
    except LaporError as error:
        return Failure(id=given_id(row) if isinstance(row, Mapping) else None, code=error.code, text=str(error))
    if report.id in seen:
        return Failure(
            id=report.id,
            code="repeated_id",
            text="id: came before in this stream; give each report an id of its own, or drop the repeat",
        )
    seen.add(report.id)
    return report


def _carried_labels(bundle: Bundle, taxonomy: Taxonomy) -> dict[str, str] | None:
    """Model label -> topic code of the loaded taxonomy; None when they are the same."""
    if _HEAD not in bundle.classifier.labels:
        raise BundleError(
            bundle.name, f"has no head {_HEAD}, so it cannot route; ask it with lapor-nlp predict, or train that head"
        )
    labels = bundle.classifier.labels[_HEAD]
    if bundle.taxonomy == taxonomy.version and all(label in taxonomy for label in labels):
        return None
    carried: dict[str, str | None] = {label: label for label in labels}
    try:
        steps = chain(taxonomy.migrations, bundle.taxonomy, taxonomy.version)
    except KeyError:
        steps = ()
    for step in steps:
        codes = step.carry([code for code in carried.values() if code is not None]).labels
        moved = iter(codes)
        carried = {label: None if code is None else next(moved) for label, code in carried.items()}
    lost = sorted(label for label, code in carried.items() if code is None or code not in taxonomy)
    if lost:
        raise BundleError(
            bundle.name,
            f"was trained on taxonomy {bundle.taxonomy}; the loaded one ({taxonomy.version}) has no place for "
            f"{', '.join(lost[:5])}{'...' if len(lost) > 5 else ''}: add a migration or train on the new taxonomy",
        )
    return {label: code for label, code in carried.items() if code is not None}


def _depends_on_place(responsibility: Responsibility) -> bool:
    return responsibility.best is not None and responsibility.best.region is not None


def _region(place: Place, offset: int) -> RegionChoice:
    return RegionChoice(
        code=place.code,
        name=place.name,
        confidence=place.confidence,
        spans=tuple((e.start - offset, e.end - offset) for e in place.evidence if e.source == "text"),
        source=place.evidence[0].source if place.evidence else "text",
        kecamatan=place.kecamatan,
        kecamatan_name=place.kecamatan_name,
        desa=place.desa,
        desa_name=place.desa_name,
    )


def _agency(office: Office) -> AgencyChoice:
    return AgencyChoice(
        name=office.name,
        level=office.level,
        region=office.region,
        rule=office.rule,
        local_name=office.local_name,
        unit=office.unit,
    )


def _checked(chosen: ChosenAgency | None) -> ChosenAgencyCheck | None:
    if chosen is None:
        return None
    better = chosen.better.name if chosen.better else None
    return ChosenAgencyCheck(given=chosen.name, verdict=chosen.verdict, better=better)


def _flag(flag: signals_reading.Flag, offset: int) -> Flag:
    return Flag(
        value=flag.value,
        score=flag.score,
        group=flag.reason,
        evidence=tuple((e.code, e.start - offset, e.end - offset) for e in flag.evidence),
    )
