"""The words that names of Creative Commons' licences are made of, in the languages that its titles come in."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cache
from typing import Final

from licences import jurisdictions
from licences.fold import fold

ELEMENTS: Final = ("BY", "NC", "ND", "SA")

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


def spaced(word: str) -> str:
    """A folded name with blanks in place of hyphens and underscores, and with "ccbyncsa" as its parts.

    >>> spaced("cc-by-sa"), spaced("ccbyncsa 4.0")
    ('cc by sa', 'cc by nc sa 4.0')
    """
    word = re.sub(r"[\s_\-]+", " ", word)
    return re.sub(r"(?<!\w)(cc)?(by)(nc)?(sa|nd)?(?!\w)", lambda m: " ".join(part for part in m.groups() if part), word)


def at(word: str, start: int) -> tuple[str, str] | None:
    """The kind of what stands at `start` of a spaced name, and the text of it; None where it is not understood.

    Kinds are the keys of `_WORDS`, "version", and jurisdictions by their codes; "" is what says nothing.
    """
    pattern, kinds = _grammar()
    token = pattern.match(word, start)
    if token is None or token.end() == start:
        return None
    group = token.lastgroup or "gap"
    return "" if group == "gap" else kinds[int(group[1:])], token[0]


def _pattern(phrases: Collection[str]) -> str:
    """Any of these, longest first, with or without the blanks between their words."""
    folded = sorted({re.sub(r"[\s\-]+", " ", fold(phrase)) for phrase in phrases}, key=len, reverse=True)
    return "|".join(re.escape(phrase).replace(r"\ ", " ?") for phrase in folded)


@cache
def _grammar() -> tuple[re.Pattern[str], tuple[str, ...]]:
    """What may stand next in a name, as numbered groups, and the kind of each."""
    words = [(_pattern(phrases), kind) for kind, phrases in _WORDS.items()]
    words.append((r"\d\.\d(?!\d|\.\d)", "version"))
    words += [(_pattern((*names, *_HOME.get(code, ()), code)), code) for code, names in jurisdictions.names().items()]
    parts = "|".join(f"(?P<w{n}>{pattern})(?!\\w)" for n, (pattern, _) in enumerate(words))
    gap = r"(?P<gap>[ (),/.\"!]+|\+(?= [^ \d])|v(?:ersion)?\.? ?(?=\d))"
    return re.compile(f"{parts}|{gap}"), tuple(kind for _, kind in words)
