"""Names of Creative Commons' licences, read word by word in the languages that its titles come in.

Every word must be understood, or it is no such name. `glimpsed` is for hints only: what a text says of it, whatever
else stands there.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cache
from typing import Final, NamedTuple

from licences import jurisdictions
from licences.catalogue import ids, is_port
from licences.errors import AmbiguousLicence, UnknownLicence
from licences.fold import fold

UNITS: Final = ("by", "by-sa", "by-nc", "by-nd", "by-nc-sa", "by-nc-nd", "by-nd-nc", "sa")
ELEMENTS: Final = ("BY", "NC", "ND", "SA")
_NEWEST_FIRST: Final = ("4.0", "3.0", "2.5", "2.0", "1.0")
_NONE: Final = "no id, address or name of a licence known here"

# What may stand in a name, by what it means. The titles are Creative Commons' own (PyPI cc.licenserdf, and its deeds).
_WORDS: Final = {
    "cc": ("creative commons", "cc", "creativecommons"),
    "by": (
        "by", "attribution", "attributions", "attrib", "paternité", "Namensnennung", "Atribución", "Reconocimiento",
        "Atribuição", "Attribuzione", "Naamsvermelding", "Reconeixement", "Recoñecemento", "Aitortu", "Erkännande",
        "Navngivelse", "Nimeä", "Uznanie autorstwa", "Uveďte autora", "Uveďte původ", "Atribuire", "Imenovanje",
        "Autorstvo", "Ауторство", "Priznanje avtorstva", "Autorile viitamine", "Признание", "Атрибуция", "Atribusi",
        "Із зазначенням авторства", "Αναφορά Δημιουργού", "Atıf", "Nevezd meg", "Atsaucoties", "Atribuite",
        "Pengiktirafan", "Erkenning", "表示", "署名", "姓名標示", "저작자표시",
    ),
    "sa": (
        "sa", "share alike", "sharealike", "partage dans les mêmes conditions", "partage à l'identique",
        "partage des conditions initiales à l'identique", "Weitergabe unter gleichen Bedingungen", "CompartirIgual",
        "Compartir Igual", "CompartirDerivadasIgual", "LicenciarIgual", "Licenciamiento Recíproco", "CompartilhaIgual",
        "PartilhaIgual", "Compartilhamento pela mesma licença", "Partilha nos termos da mesma licença",
        "Condividi allo stesso modo", "GelijkDelen", "Gelijk Delen", "PartekatuBerdin", "DelaLika", "Dela Lika",
        "DelPåSammeVilkår", "Del på samme vilkår", "Tarttuva", "JaaSamoin", "Jaa samoin",
        "Na tych samych warunkach", "Zachovejte licenci", "Partajare în condiții identice",
        "Distribuire în condiții identice", "Dijeli pod istim uvjetima", "Deliti pod istim uslovima",
        "Делити под истим условима", "Deljenje pod enakimi pogoji", "Jagamine samadel tingimustel",
        "Споделяне на споделеното", "С сохранением условий", "Поширення на тих самих умовах", "Παρόμοια Διανομή",
        "AynıLisanslaPaylaş", "Így add tovább", "Nemainot licenci", "Samkondiĉe", "BerbagiSerupa", "InsgelyksDeel",
        "PerkongsianSerupa", "継承", "相同方式共享", "相同方式分享", "동일조건변경허락",
    ),
    "nc": (
        "nc", "non commercial", "noncommercial", "non commercial use", "noncommercial use", "no commercial use",
        "pas d'utilisation commerciale", "utilisation non commerciale", "Nicht kommerziell", "NichtKommerziell",
        "keine kommerzielle Nutzung", "NoComercial", "No Comercial", "NãoComercial", "Não Comercial",
        "Uso não comercial", "Non commerciale", "NietCommercieel", "Niet Commercieel", "NonComercial",
        "EzKomertziala", "IckeKommersiell", "Icke Kommersiell", "Ikkekommersiell", "Ikke kommersiell",
        "IkkeKommerciel", "Ikke kommerciel", "Epäkaupallinen", "EiKaupallinen", "Ei kaupallinen",
        "Użycie niekomercyjne", "Neužívejte dílo komerčně", "Nevyužívejte dílo komerčně",
        "Neužívejte komerčně", "Necomercial", "Nekomercijalno", "Некомерцијално", "Nekomercialno",
        "Mitteäriline eesmärk", "Некомерсиално", "Некоммерческое использование", "Некомерційна", "Μη Εμπορική Χρήση",
        "GayriTicari", "Ne add el", "Nekomerciāls", "Nekomerce", "NonKomersial", "NieKommersieel", "BukanKomersial",
        "非営利", "非商业性使用", "非商业性", "非商業性", "비영리",
    ),
    "nd": (
        "nd", "no derivatives", "noderivatives", "no derivative", "noderivative", "no derivs", "noderivs", "no deriv",
        "noderiv", "no derivative works", "no derivatives works", "pas de modification", "pas de modifications",
        "Keine Bearbeitung", "Keine Bearbeitungen", "KeineBearbeitung", "SinDerivadas", "Sin Derivadas",
        "SinDerivar", "Sin Derivar", "SinObraDerivada", "Sin Obra Derivada", "SinObrasDerivadas",
        "Sin Obras Derivadas", "No Derivadas", "SemDerivações", "SemDerivados", "Sem Derivações", "Sem Derivados",
        "Vedada a criação de obras derivadas", "Vedada a criação de obras derivativas",
        "Proibição de realização de Obras Derivadas", "Non opere derivate", "GeenAfgeleideWerken",
        "Geen Afgeleide Werken", "SenseObraDerivada", "Sense Obra Derivada", "SenObraDerivada", "LanEratorririkGabe",
        "IngaBearbetningar", "Inga Bearbetningar", "IngenBearbeidelse", "IngenBearbeidelser", "Ingen bearbeidelser",
        "IngenBearbejdelse", "IngenBearbejdelser", "Ei muutoksia", "EiMuutoksia", "Bez utworów zależnych",
        "Nezasahujte do díla", "Nezpracovávejte", "Fără Derivate", "Bez prerada",
        "Без прерада", "Brez predelav", "Tuletatud teoste keeld", "Без производни", "Без производных произведений",
        "Без похідних", "Όχι Παράγωγα Έργα", "Türetilemez", "Ne változtasd", "Nemainīts", "Neatvasinot",
        "Nemodifite", "TanpaTurunan", "GeenAfleidings", "TiadaTerbitan", "改変禁止", "禁止演绎", "禁止改作", "변경금지",
    ),
    "": (
        "version", "public", "license", "licence", "licenses", "licences", "the", "deed", "any", "family", "licencia",
        "licencia de",
        "licença", "licenza", "lizenz", "licentie", "lisens", "licens", "lisenssi", "licencja", "licence publique",
        "öffentliche lizenz", "licencia pública", "licença pública", "licenza pubblica", "publique", "licenca",
        "лиценца",
    ),
    "4.0 only": (
        "international", "intl", "internationale", "Internacional", "Internazionale", "Internationaal", "Internasjonal",
        "Internationell", "Kansainvälinen", "Międzynarodowe", "Międzynarodowa", "Mezinárodní", "Internațional",
        "Medunarodna", "Mednarodna", "Rahvusvaheline", "Uluslararası", "Nemzetközi", "Internasional",
        "国際", "国际", "國際", "국제",
    ),
    "3.0 only": (
        "unported", "non transposé", "nicht portiert", "não adaptada", "no portada", "no adaptada", "non importata",
        "非移植", "muokkaamaton", "Unportiert", "Непортированная", "Ne-adaptată", "Nepārnesta", "Μη εισαγόμενο",
        "Нелокализиран", "Nedoločena",
    ),
    "old only": (
        "generic", "générique", "Genérica", "Genérico", "Generico", "Generisch", "Generiek", "Generisk", "Yleinen",
        "Raakaversio", "Ogólny", "Ogólna", "Generička", "Generična", "Генеричка", "Generik", "Generică", "Umum",
        "Általános", "Xenérica", "Generikoa", "Γενικό", "Неадаптиран", "Vispārīgs", "Üldine",
        "US-amerikanisch (nicht portiert)", "一般", "通用版", "未本地化版本", "일반",
    ),
}  # fmt: skip

# What countries call themselves, beside their English and French names.
_HOME: Final = {
    "AT": ("Österreich",), "BE": ("België",), "BG": ("България",), "BR": ("Brasil",), "CH": ("Schweiz", "Svizzera"),
    "CN": ("中国大陆", "China", "Chine"), "CZ": ("Česko",), "DE": ("Deutschland",), "DK": ("Danmark",),
    "EE": ("Eesti",), "ES": ("España", "Espanya", "Espainia"), "FI": ("Suomi",), "GR": ("Ελλάδα",), "HK": ("香港",),
    "HR": ("Hrvatska",), "HU": ("Magyarország",), "IT": ("Italia",), "JP": ("日本", "Japón"),
    "KR": ("대한민국", "South Korea"),
    "IGO": ("intergovernmental organizations", "intergovernmental organisations", "intergovernmental organization"),
    "MK": ("North Macedonia", "Македонија"), "NL": ("Nederland", "the netherlands"), "NO": ("Norge",),
    "PL": ("Polska",), "RS": ("Srbija", "Србија"), "SCOTLAND": ("UK: Scotland", "Royaume-Uni : Écosse"),
    "SE": ("Sverige",), "SI": ("Slovenija",), "TW": ("台灣", "臺灣"), "US": ("United States of America",),
    "UK": ("UK: England and Wales", "UK: England & Wales", "England & Wales", "United Kingdom"), "VN": ("Việt Nam",),
}  # fmt: skip


class Glimpse(NamedTuple):
    elements: frozenset[str]
    versions: tuple[str, ...]
    ports: tuple[str, ...]
    named: bool  # Creative Commons is named, or the text begins as its units do
    rest: tuple[str, ...]  # words that are not understood


def _pattern(phrases: Collection[str]) -> str:
    """Any of these, longest first, with or without the blanks between their words."""
    folded = sorted({re.sub(r"[\s\-]+", " ", fold(phrase)) for phrase in phrases}, key=len, reverse=True)
    return "|".join(re.escape(phrase).replace(r"\ ", " ?") for phrase in folded)


@cache
def _grammar() -> tuple[re.Pattern[str], tuple[str, ...]]:
    """What may stand next in a name, as numbered groups, and what each means. Jurisdictions by code and by name."""
    words = [(_pattern(phrases), kind) for kind, phrases in _WORDS.items()]
    words.append((r"\d\.\d(?!\d|\.\d)", "version"))
    words += [(_pattern((*names, *_HOME.get(code, ()), code)), code) for code, names in jurisdictions.names().items()]
    parts = "|".join(f"(?P<w{n}>{pattern})(?!\\w)" for n, (pattern, _) in enumerate(words))
    gap = r"(?P<gap>[ (),/.\"!]+|\+(?= [^ \d])|v(?:ersion)?\.? ?(?=\d))"
    return re.compile(f"{parts}|{gap}"), tuple(kind for _, kind in words)


def _spaced(word: str) -> str:
    """Hyphens as blanks, and "ccbyncsa" as its parts."""
    word = re.sub(r"[\s_\-]+", " ", word)
    return re.sub(r"(?<!\w)(cc)?(by)(nc)?(sa|nd)?(?!\w)", lambda m: " ".join(part for part in m.groups() if part), word)


def meant(text: str, word: str) -> str:
    """The licence that the folded `word` names, every word of which must be understood."""
    from licences.hints import near

    word = _spaced(word)
    units: list[set[str]] = []
    versions, ports, said = list[str](), list[str](), set[str]()
    named, at = False, 0
    grammar, kinds = _grammar()
    while at < len(word):
        token = grammar.match(word, at)
        if token is None or token.end() == at:
            raise UnknownLicence(text, _NONE, near(text))
        kind = "" if token.lastgroup in ("gap", None) else kinds[int(str(token.lastgroup)[1:])]
        if kind == "version":
            versions.append(token[0])
        elif kind == "cc" or (kind == "by" and token[0] != "by"):
            named = True
        if kind == "by" or (kind.upper() in ELEMENTS and not units):
            units.append(set())
        if kind.upper() in ELEMENTS:
            units[-1].add(kind.upper())
        elif kind.endswith(" only"):
            said.add(kind)
        elif kind.isupper():
            ports.append(kind)
        at = token.end()
    # "CC BY 4.0 (Attribution 4.0 International)" says the same twice; twice differently is no name
    if not named or len(set(versions)) > 1 or len(set(ports)) > 1 or units[:-1] != units[1:]:
        raise UnknownLicence(text, _NONE, near(text))
    version = versions[0] if versions else None
    for kind, fits in (("4.0 only", ("4.0",)), ("3.0 only", ("3.0",)), ("old only", ("1.0", "2.0", "2.5"))):
        if kind in said and (ports or (version is not None and version not in fits)):
            raise UnknownLicence(text, "no version of that number goes by that name", near(text))
    return chosen(text, units[0] if units else (), version, ports[0] if ports else "")


def chosen(text: str, elements: Collection[str], version: str | None, port: str) -> str:
    """The licence of these elements; AmbiguousLicence with the candidates if the version is open."""
    unit = "-".join(e for e in ELEMENTS if e in elements)
    if not unit or (version is None and "BY" not in elements):
        every = [
            f"CC-{u}-{v}" for v in _NEWEST_FIRST for u in ("BY", "BY-SA", "BY-NC", "BY-NC-SA", "BY-ND", "BY-NC-ND")
        ]
        fits = [id for id in every if set(elements) <= set(id.split("-"))]
        raise AmbiguousLicence(text, tuple(fits if elements else [*fits, "CC0-1.0"]))
    made = _made(unit, port)
    if version is None and made:
        raise AmbiguousLicence(text, made)
    wanted = f"CC-{unit}-{version}" + (f"-{port}" if port else "")
    if wanted in ids() or is_port(wanted):
        return wanted
    if not port and f"CC-{unit}-2.5" in ids() and (national := jurisdictions.numbered(unit, version or "")):
        raise AmbiguousLicence(text, national)
    generic = f"CC-{unit}-{version}"
    if port and generic in ids():
        why = "version 4.0 has no national versions" if version == "4.0" else "no such national version was made"
        raise UnknownLicence(text, why, (generic, *made))
    offered = made or closest(Glimpse(frozenset(elements), (version or "",), (), True, ()))
    raise UnknownLicence(text, "Creative Commons has no such licence", offered)


def _made(unit: str, port: str) -> tuple[str, ...]:
    found = jurisdictions.of(unit, port) if port else tuple(f"CC-{unit}-{v}" for v in _NEWEST_FIRST)
    return tuple(id for id in found if id in ids() or is_port(id))


def closest(glimpse: Glimpse) -> tuple[str, ...]:
    """The licences that keep everything a text says of one: all its elements, its version if there is one of that
    number, its port if there is one. NoDerivatives leaves nothing for ShareAlike to be about."""
    elements = glimpse.elements - {"SA"} if {"ND", "SA"} <= glimpse.elements else glimpse.elements
    unit = "-".join(e for e in ELEMENTS if e in elements)
    made = _made(unit, "")
    if not made:
        return ()
    exact = tuple(id for id in made if id.rpartition("-")[2] in glimpse.versions)
    ported = _made(unit, glimpse.ports[0]) if len(set(glimpse.ports)) == 1 else ()
    named = tuple(id for id in ported if id.split("-")[-2] in glimpse.versions)
    national = () if exact else tuple(id for v in glimpse.versions for id in jurisdictions.numbered(unit, v))
    return named or (*exact, *ported) or national or made


def glimpsed(word: str) -> Glimpse:
    """What the folded `word` says of such a licence."""
    word = _spaced(word)
    elements, versions, ports, rest = set[str](), list[str](), list[str](), list[str]()
    named = bool(re.match(r"by (?:nc|nd|sa)(?!\w)", word))
    grammar, kinds = _grammar()
    at = 0
    while at < len(word):
        token = grammar.match(word, at) if at == 0 or not (word[at - 1].isalnum() and word[at].isalnum()) else None
        if token is None or token.end() == at:
            skipped = re.compile(r"\w+|.", re.DOTALL).match(word, at)
            rest.append(skipped[0] if skipped else word[at])
            at += len(rest[-1])
            continue
        kind = "" if token.lastgroup in ("gap", None) else kinds[int(str(token.lastgroup)[1:])]
        named = named or kind == "cc"
        if kind == "version":
            versions.append(token[0])
        elif kind.upper() in ELEMENTS:
            elements.add(kind.upper())
        elif kind.isupper():
            ports.append(kind)
        at = token.end()
    return Glimpse(frozenset(elements), tuple(versions), tuple(ports), named, tuple(rest))
