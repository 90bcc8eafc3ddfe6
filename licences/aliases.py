"""What catalogues, forges and people call licences, apart from what can be read by rule. Data only.

Sources: CKAN's licence list, Hugging Face's hub documentation, the Open Definition's and Zenodo's lists, the EU's
authority table of licences, data.gouv.fr, GovData, the licences' own sites.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from licences.fold import fold


def _by_name(table: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    return {fold(name): id for id, names in table.items() for name in names}


# A name without a version stands here only where there has never been more than one.
NAMES: Final = _by_name({
    "CC0-1.0": (
        "cc0", "cc-0", "cc-zero", "ccZero", "creative commons zero", "creative commons cc0", "cc0 universal",
        "creative commons ccZero", "cc zero universal", "creative commons zero universal", "CC0: Public Domain",
        "cc0 public domain dedication", "cc0 universal public domain dedication", "CC0 Universel", "CC0 Universell",
        "creative commons cc0 universal", "creative commons cc0 universel", "creative commons cc0 universell",
        "creative commons universal public domain dedication", "creative commons public domain dedication cc0",
        "cc0 universal (cc0) public domain dedication", "creative commons cc0 universal public domain dedication",
        "cc0 deed cc0 universal", "creative commons zero cc0", "public domain dedication (cc0)", "cc0 deed",
        "creative commons cc0 universeel", "transfert dans le domaine public cc0 universel", "cc0 public domain",
    ),
    "CC-PDM-1.0": (
        "pdm", "cc-pdm", "public domain mark", "creative commons public domain mark", "public domain mark universal",
        "creative commons public domain mark universal", "marque du domaine public", "cc public domain mark",
        "creative commons marque du domaine public", "creative commons marque du domaine public universel",
        "creative commons public domain mark universell", "creative commons public domain mark universeel",
    ),
    "ODbL-1.0": (
        "odbl", "odc-odbl", "Open Database License", "Open Data Commons Open Database License", "odc open database",
        "Open Data Commons Database License", "opendatacommons odbl", "open data commons odbl", "ODC_BL",
        "licence de base de données ouverte", "open database licence family",
    ),
    "ODC-By-1.0": (
        "odc-by", "ODC Attribution License", "Open Data Commons Attribution License", "open data commons by",
        "open data commons odc-by", "open data commons licence attribution family",
        "open data commons attribution", "licence d'attribution open data commons",
    ),
    "PDDL-1.0": (
        "pddl", "odc-pddl", "open data commons public domain dedication and licence", "open data commons pddl",
        "public domain dedication and licence", "open data commons public domain dedication & licence",
    ),
    "DbCL-1.0": (
        "dbcl", "odc-dbcl", "database contents licence", "open data commons database contents licence",
        "odc database contents licence",
    ),
    "etalab-2.0": (
        "lov2",
    ),
    "LAL-1.3": (
        "fal 1.3",
    ),
    "CC-PDDC": (
        "cc-pddc",
    ),
})  # fmt: skip

# Titles that catalogues give to one licence, and that differ from SPDX's. They say which version where there are more.
TITLES: Final = _by_name({
    "AAL": ("Attribution Assurance Licenses",),
    "AFL-3.0": ("afl 3.0",),
    "Apache-1.1": ("Apache Software License 1.1",),
    "Apache-2.0": ("Apache Software License 2.0", "apache2.0", "apache licence version 2.0"),
    "Artistic-2.0": ("artistic-license-2.0",),
    "BSD-3-Clause": ("new bsd licence", "modified bsd licence", "BSD 3-Clause", "3-clause bsd licence"),
    "BSD-2-Clause": ("simplified bsd licence", "freebsd licence", "BSD 2-Clause", "2-clause bsd licence",
                     'BSD 2-Clause "Simplified" or "FreeBSD" License'),
    "CATOSL-1.1": ("ca-tosl1.1",),
    "CDDL-1.0": ("cddl1",),
    "CECILL-2.1": ("CeCILL License 2.1",),
    "CNRI-Python": ("CNRI Python",),
    "CPAL-1.0": ("cpal_1.0",),
    "CUA-OPL-1.0": ("CUA Office Public License 1.0",),
    "ECL-2.0": ("ecl2",),
    "EFL-2.0": ("ver2_eiffel",),
    "EPL-1.0": ("eclipse-1.0",),
    "EPL-2.0": ("eclipse-2.0",),
    "EUPL-1.0": ("European Union Public Licence 1.0", "Licence Publique de l'Union européenne 1.0"),
    "EUPL-1.1": ("European Union Public Licence 1.1", "Licence Publique de l'Union européenne 1.1"),
    "EUPL-1.2": ("European Union Public Licence 1.2", "Licence Publique de l'Union européenne 1.2"),
    "HPND": ("historical permission notice and disclaimer licence",),
    "IPL-1.0": ("IBM Public License 1.0",),
    "ISC": ("isc-license",),
    "Intel": ("intel-osl",),
    "LGPLLR": ("lgpl-lr",),
    "LPL-1.0": ('Lucent Public License ("Plan9") 1.0',),
    "LPL-1.02": ("lucent1.02",),
    "MIT": ("mit-license", "expat licence"),
    "MPL-1.1": ("mozilla1.1",),
    "MPL-2.0": ("mozilla2.0",),
    "MirOS": ("MirOS Licence",),
    "NASA-1.3": ("nasa1.3",),
    "NCSA": ("uoi-ncsa",),
    "NGPL": ("Nethack General Public License",),
    "NPOSL-3.0": ("nosl3.0", "Non-Profit OSL 3.0"),
    "NTP": ("ntp-license",),
    "OCLC-2.0": ("oclc2",),
    "OFL-1.1": ("Open Font License 1.1",),
    "OGL-Canada-2.0": ("OGL-CA-2.0", "Open Government Licence 2.0 Canada", "Open Government Licence Canada 2.0",
                       "Licence du gouvernement ouvert Canada 2.0"),
    "RPSL-1.0": ("RealNetworks Public Source License 1.0",),
    "SISSL": ("sun-issl", "Sun Industry Standards Source License 1.1"),
    "SPL-1.0": ("Sun Public License 1.0",),
    "UPL-1.0": ("universal permissive licence 1.0",),
    "Unlicense": ("unlicense", "the unlicense licence"),
    "W3C": ("W3C License",),
    "Zlib": ("zlib/libpng licence", "zlib-license"),
})  # fmt: skip

_GNU: Final = ("GNU {0}", "{0}", "{0} family", "GNU {0} family")


def _versions(id: str, *numbers: str, endings: tuple[str, ...] = ("",)) -> tuple[str, ...]:
    return tuple(f"{id}-{number}{ending}" for number in numbers for ending in endings)


_BOTH: Final = ("-only", "-or-later")
_GPL: Final = _versions("GPL", "3.0", "2.0", "1.0", endings=_BOTH)
_LGPL: Final = _versions("LGPL", "3.0", "2.1", "2.0", endings=_BOTH)
_AGPL: Final = _versions("AGPL", "3.0", endings=_BOTH)
_GFDL: Final = _versions(
    "GFDL",
    "1.3",
    "1.2",
    "1.1",
    endings=tuple(kind + both for kind in ("", "-no-invariants", "-invariants") for both in _BOTH),
)
_OGL_UK: Final = _versions("OGL-UK", "3.0", "2.0", "1.0")
_CDLA: Final = ("CDLA-Permissive-2.0", "CDLA-Permissive-1.0", "CDLA-Sharing-1.0")
_CC: Final = _versions("CC-BY", "4.0", "3.0", "2.5", "2.0", "1.0")

# Names of families. With a version they mean the members that have it; without one, all.
SEVERAL: Final = {
    fold(name): candidates
    for names, candidates in (
        (("etalab", "licence ouverte", "open licence", "lo", "fr-lo", "lo-fr", "licence etalab", "open licence etalab",
          "licence ouverte etalab", "licence ouverte d'etalab", "licence ouverte de l'etalab", "etalab open licence",
          "etalab licence ouverte", "licence ouverte / open licence", "open licence / licence ouverte", "licence lo",
          "licence ouverte / open licence etalab", "etalab licence ouverte / open licence", "lo etalab",
          "licence ouverte open licence etalab", "licence ouverte de la mission etalab"),
         ("etalab-2.0", "etalab-1.0")),
        (("ogl", "open government licence", "licence du gouvernement ouvert"),
         (*_OGL_UK, "OGL-Canada-2.0")),
        (("uk-ogl", "ogl-uk", "uk open government licence", "open government licence uk", "ogl united kingdom",
          "open government licence united kingdom", "open government licence for public sector information",
          "u.k. open government licence for public sector information",
          "uk government open government licence"),
         _OGL_UK),
        (("ogl-ca", "canada ogl", "ogl canada", "licence du gouvernement ouvert canada"),
         ("OGL-Canada-2.0",)),
        (("cdla", "Community Data License Agreement"), _CDLA),
        (("cdla-permissive", "Community Data License Agreement Permissive"), _CDLA[:2]),
        (("cdla-sharing", "Community Data License Agreement Sharing"), _CDLA[2:]),
        (("odc", "open data commons"), ("ODbL-1.0", "ODC-By-1.0", "PDDL-1.0")),
        (("public domain", "other-pd", "publicdomain", "pd", "domaine public", "other (public domain)"),
         ("CC0-1.0", "CC-PDM-1.0", "PDDL-1.0")),
        (("Free Art License", "licence art libre", "lal", "fal", "Free Art", "art libre"), ("LAL-1.3", "LAL-1.2")),
        (("attribution",), (*_CC, "AAL")),
        (("dl-de", "dl-de/by", "data licence germany", "data licence germany attribution", "dl-by-de",
          "datenlizenz deutschland namensnennung"),
         ("DL-DE-BY-2.0", "DL-DE-BY-1.0")),
        (("dl-de/zero", "dl-zero-de", "data licence germany zero", "datenlizenz deutschland zero"),
         ("DL-DE-ZERO-2.0",)),
        (("dl-de/by-nc", "dl-by-nc-de", "datenlizenz deutschland namensnennung nicht-kommerziell",
          "data licence germany attribution non-commercial"),
         ("DL-DE-BY-NC-1.0",)),
        (("datenlizenz deutschland",), ("DL-DE-BY-2.0", "DL-DE-ZERO-2.0", "DL-DE-BY-1.0", "DL-DE-BY-NC-1.0")),
        (("nlod", "norsk lisens for offentlige data", "norwegian licence for open government data",
          "norsk lisens for offentlige data (nlod)"),
         ("NLOD-2.0", "NLOD-1.0")),
        (("iodl", "italian open data licence", "licenza italiana dati aperti"), ("IODL-2.0", "IODL-1.0")),
        (tuple(form.format(name) for form in _GNU for name in ("gpl", "general public licence")), _GPL),
        (tuple(form.format(name) for form in _GNU for name in (
            "lgpl", "lesser general public licence", "lesser gpl", "library general public licence",
            "library or lesser general public licence")), _LGPL),
        (tuple(form.format(name) for form in _GNU for name in (
            "agpl", "affero general public licence", "affero gpl", "affero gnu public licence")), _AGPL),
        (tuple(form.format(name) for form in _GNU for name in ("gfdl", "fdl", "free documentation licence")), _GFDL),
        (("GFDL-1.3-no-cover-texts-no-invariant-sections",
          "GNU Free Documentation License 1.3 with no cover texts and no invariant sections"),
         ("GFDL-1.3-no-invariants-only", "GFDL-1.3-no-invariants-or-later")),
        (("bsd", "bsd licence", "bsd licences", "bsd licence family", "bsd-license",
          "bsd licences (new and simplified)", "new and simplified bsd"),
         ("BSD-3-Clause", "BSD-2-Clause", "BSD-1-Clause", "BSD-4-Clause", "0BSD")),
        (("apache", "apache software licence", "apache software"), _versions("Apache", "2.0", "1.1", "1.0")),
        (("mozilla", "mozilla public"), _versions("MPL", "2.0", "1.1", "1.0")),
        (("eiffel", "eiffel forum"), _versions("EFL", "2.0", "1.0")),
        (("eclipse", "eclipse public"), _versions("EPL", "2.0", "1.0")),
        (("artistic",), _versions("Artistic", "2.0", "1.0")),
        (("php", "php licence"), _versions("PHP", "3.01", "3.0")),
        (("zope public", "zpl"), _versions("ZPL", "2.1", "2.0", "1.1")),
        (("european union public licence", "european union public", "eupl"), _versions("EUPL", "1.2", "1.1", "1.0")),
        (("pythonsoftfoundation", "python software foundation licence", "python"), ("Python-2.0", "PSF-2.0")),
        (("python licence", "pythonpl"), ("Python-2.0", "CNRI-Python")),
        (("real", "realnetworks public source licence"), ("RPSL-1.0",)),
        (("openfont", "open font licence", "sil ofl"), _versions("OFL", "1.1", "1.0")),
        (("cuaoffice", "cua office public licence"), ("CUA-OPL-1.0",)),
        (("ibmpl", "ibm public licence"), ("IPL-1.0",)),
        (("qtpl", "qt public licence", "qpl", "q public licence"), ("QPL-1.0",)),
        (("lucent-plan9", "lucent public licence (plan9)"), ("LPL-1.0",)),
        (("sunpublic", "sun public licence"), ("SPL-1.0",)),
        (("sybase", "sybase open watcom public licence"), ("Watcom-1.0",)),
        (("frameworx", "frameworx licence"), ("Frameworx-1.0",)),
        (("ricohpl",), ("RSCPL",)),
        (("vovidapl", "vovida software licence"), ("VSL-1.0",)),
        (("nethack",), ("NGPL",)),
        (("opengroup",), ("OGTSL",)),
        (("ipafont",), ("IPA",)),
        (("c-uda", "computational use of data agreement"), ("C-UDA-1.0",)),
        (("o-uda", "open use of data agreement"), ("O-UDA-1.0",)),
    )
    for name in names
}  # fmt: skip

_NOTHING: Final = "it says that no licence was given"
_CLOSED: Final = "it says that the data is not open"
_ACCESS: Final = "it says who may see the data, and not what they may do with it"
_STATUS: Final = "it states a copyright status, and grants nothing"
_RAIL: Final = "use-restricted licences of this family are not known here; carry its text as a LicenseRef of its own"
_MODEL: Final = "this licence is not known here; carry its text as a LicenseRef of its own"
_CROWN: Final = "it names a right of the Crown or of an authority, and not the licence that is given"
REFUSED: Final = {
    fold(name): reason
    for names, reason in (
        (("",), "no licence is named"),
        (("notspecified", "notspecified-open", "licence not specified", "not specified"), _NOTHING),
        (("unknown",), "it says that the licence is not known"),
        (("none",), "it says that there is no licence"),
        (("noassertion",), "it says that nobody stated a licence"),
        (("other", "other (specified in description)"), "it says only that the licence is another one"),
        (("other-open", "other (open)", "Open License"), "it says only that some open licence holds"),
        (("other-at", "other (attribution)"), "it says only that attribution is asked for"),
        (("other-nc", "other (non-commercial)"), "it says only that commercial use is excluded"),
        (("other-closed", "proprietary", "other (not open)", "closed"), _CLOSED),
        (("all rights reserved", "tous droits reserves", "alle rechte vorbehalten"), "it grants nothing"),
        (("open access", "openaccess", "restricted access", "restrictedaccess", "closed access", "closedaccess",
          "embargoed access", "embargoedaccess", "metadata only access"), _ACCESS),
        (("in copyright", "inc", "copyright", "copyrighted", "copyright-authors", "data files © original authors",
          "no known copyright", "copyright not evaluated", "copyright undetermined", "no copyright",
          "us-government-works", "us government works", "u.s. government works", "u.s. government work"), _STATUS),
        (("openrail", "openrail licence family", "openrail++", "open rail++-m licence", "bigscience-openrail-m",
          "creativeml-openrail-m", "bigscience-bloom-rail-1.0", "bigscience bloom rail 1.0", "bigcode-openrail-m",
          "bigcode open rail-m v1"), _RAIL),
        (("h-research", "h research licence", "intel-research", "intel research use licence agreement",
          "apple-ascl", "apple-amlr", "deepfloyd-if-license", "fair-noncommercial-research-license", "llama2",
          "llama3", "llama3.1", "llama3.2", "llama3.3", "llama4", "grok2-community", "gemma", "gemma terms of use",
          "zenodo-freetoread-1.0", "against-drm", "against drm", "talis", "talis community licence", "dsl",
          "design science licence", "mitre"), _MODEL),
        (("ukcrown", "uk crown copyright", "ukcrown-withrights", "canada-crown", "canadian crown copyright", "ukpsi",
          "uk psi public sector information", "ukclickusepsi", "uk click use psi", "localauth-withrights",
          "uk crown copyright with data.gov.uk rights", "hesa-withrights"), _CROWN),
        (("database: open database, contents: © original authors",),
         "its database is under ODbL-1.0, and its contents are their authors' own: only part of it is licensed"),
    )
    for name in names
}  # fmt: skip

# Ids of SPDX that other lists have for other licences: only as SPDX spells them do they mean SPDX's.
HOMONYMS: Final = {"tcl": "TCL"}  # Tcl/Tk's, while CKAN and Zenodo have the Talis Community License under it

# What names two licences at once, and how that is written.
TOGETHER: Final = {
    fold("Database: Open Database, Contents: Database Contents"): "ODbL-1.0 AND DbCL-1.0",
}

# Host and path, without "www." and a closing slash.
PLACES: Final = _by_name({
    "CC0-1.0": (
        "creativecommons.org/about/cc0", "creativecommons.org/share-your-work/public-domain/cc0",
        "creativecommons.org/public-domain/cc0", "creativecommons.org/cc0", "opendefinition.org/licenses/cc-zero",
    ),
    "CC-PDM-1.0": (
        "creativecommons.org/about/pdm", "creativecommons.org/share-your-work/public-domain/pdm",
        "creativecommons.org/public-domain/pdm",
    ),
    "ODbL-1.0": (
        "opendatacommons.org/licenses/odbl", "opendatacommons.org/licenses/odbl/1.0",
        "opendatacommons.org/licenses/odbl/1-0", "opendefinition.org/licenses/odc-odbl",
        "openstreetmap.org/copyright/odbl", "opendatacommons.org/files/2018/02/odbl-10.txt",
    ),
    "ODC-By-1.0": (
        "opendatacommons.org/licenses/by", "opendatacommons.org/licenses/by/1.0",
        "opendatacommons.org/licenses/by/1-0", "opendefinition.org/licenses/odc-by",
        "opendatacommons.org/files/2018/02/odc_by_1.0_public_text.txt",
    ),
    "PDDL-1.0": (
        "opendatacommons.org/licenses/pddl", "opendatacommons.org/licenses/pddl/1.0",
        "opendatacommons.org/licenses/pddl/1-0", "opendefinition.org/licenses/odc-pddl",
        "opendatacommons.org/files/2018/02/pddl-10.txt",
        "opendatacommons.org/odc-public-domain-dedication-and-licence",
    ),
    "DbCL-1.0": (
        "opendatacommons.org/licenses/dbcl", "opendatacommons.org/licenses/dbcl/1.0",
        "opendatacommons.org/licenses/dbcl/1-0", "opendatacommons.org/files/2018/02/dbcl-10.txt",
    ),
    "CDLA-Permissive-1.0": (
        "cdla.dev/permissive-1-0", "cdla.io/permissive-1-0",
    ),
    "CDLA-Permissive-2.0": (
        "cdla.dev/permissive-2-0", "cdla.io/permissive-2-0",
    ),
    "CDLA-Sharing-1.0": (
        "cdla.dev/sharing-1-0", "cdla.io/sharing-1-0",
    ),
    "etalab-2.0": (
        "etalab.gouv.fr/wp-content/uploads/2018/11/open-licence.pdf",
        "etalab.gouv.fr/wp-content/uploads/2017/04/etalab-licence-ouverte-v2.0.pdf",
        "github.com/disic/politique-de-contribution-open-source/blob/master/license.pdf",
        "raw.githubusercontent.com/disic/politique-de-contribution-open-source/master/license",
        "github.com/etalab/licence-ouverte/blob/master/lo.md",
        "github.com/etalab/licence-ouverte/blob/master/open-licence.md",
        "data.gouv.fr/pages/legal/licences/etalab-2.0",
    ),
    "etalab-1.0": (
        "etalab.gouv.fr/wp-content/uploads/2014/05/licence_ouverte.pdf",
        "etalab.gouv.fr/wp-content/uploads/2014/05/open_licence.pdf",
        "data.gouv.fr/pages/legal/licences/etalab-1.0",
    ),
    "OGL-UK-1.0": (
        "nationalarchives.gov.uk/doc/open-government-licence/open-government-licence.htm",
    ),
    "OGL-Canada-2.0": (
        "open.canada.ca/en/open-government-licence-canada", "open.canada.ca/fr/licence-du-gouvernement-ouvert-canada",
        "ouvert.canada.ca/fr/licence-du-gouvernement-ouvert-canada", "data.gc.ca/eng/open-government-licence-canada",
    ),
    "NCGL-UK-2.0": (
        "nationalarchives.gov.uk/doc/non-commercial-government-licence/version/2",
    ),
    "LAL-1.3": (
        "artlibre.org", "artlibre.org/licence/lal", "artlibre.org/licence/lal/en", "opendefinition.org/licenses/fal",
    ),
    "LAL-1.2": (
        "artlibre.org/licence/lal/licence-art-libre-12",
    ),
    "CC-PDDC": (
        "creativecommons.org/licenses/publicdomain",
    ),
    "Apache-2.0": (
        "apache.org/licenses/license-2.0",
    ),
    "MIT": (
        "mit-license.org",
    ),
    "MPL-1.0": (
        "mozilla.org/mpl/1.0", "mozilla.com/mpl/1.0",
    ),
    "MPL-1.1": (
        "mozilla.org/mpl/1.1", "mozilla.com/mpl/1.1",
    ),
    "MPL-2.0": (
        "mozilla.org/mpl/2.0", "mozilla.com/mpl/2.0",
    ),
    "Unlicense": (
        "unlicense.org/unlicense",
    ),
})  # fmt: skip

# Addresses of pages that name a family, or change with its newest version.
SHARED: Final = {
    "etalab.gouv.fr/licence-ouverte-open-licence": SEVERAL["etalab"],
    "data.gouv.fr/licence-ouverte-open-licence": SEVERAL["etalab"],
    "github.com/etalab/licence-ouverte": SEVERAL["etalab"],
    "wiki.data.gouv.fr/wiki/licence_ouverte_/_open_licence": SEVERAL["etalab"],
    **{f"artlibre.org/licence/lal/{each}": SEVERAL["lal"] for each in ("de", "es", "it", "pl", "pt", "pt-br")},
    "reference.data.gov.uk/id/open-government-licence": _OGL_UK,
    "nationalarchives.gov.uk/doc/open-government-licence": _OGL_UK,
    "data.norge.no/nlod": SEVERAL["nlod"],
    "govdata.de/dl-de": SEVERAL["datenlizenz deutschland"],
    "cdla.dev": _CDLA,
    "cdla.io": _CDLA,
    "opendatacommons.org": SEVERAL["odc"],
    "opendatacommons.org/licenses": SEVERAL["odc"],
    "apache.org/licenses": SEVERAL["apache"],
    "opendefinition.org/licenses/gfdl": SEVERAL[fold("GFDL-1.3-no-cover-texts-no-invariant-sections")],
    "opendefinition.org/licenses/cc-by": _CC,
    "opendefinition.org/licenses/cc-by-sa": _versions("CC-BY-SA", "4.0", "3.0", "2.5", "2.0", "1.0"),
    "joinup.ec.europa.eu/software/page/eupl": SEVERAL["eupl"],
    "unicode.org/copyright": ("Unicode-3.0", "Unicode-DFS-2016", "Unicode-DFS-2015", "Unicode-TOU"),
    "unicode.org/copyright.html": ("Unicode-3.0", "Unicode-DFS-2016", "Unicode-DFS-2015", "Unicode-TOU"),
}

# Addresses that are known, of licences that are not: their hosts' names for them are others' for other licences.
STRANGERS: Final = {
    "opendefinition.org/licenses/tcl": "the Talis Community License, which is not known here, is at this address",
    "opendefinition.org/licenses/dsl": "the Design Science License, which is not known here, is at this address",
    "opendefinition.org/licenses/against-drm": "the licence Against DRM, which is not known here, is at this address",
    "opendefinition.org/licenses/ukpsi": "it names a right of the Crown, and no licence known here",
}

# The Open Source Initiative's old names for its pages.
SLUGS: Final = _by_name({
    "AAL": ("attribution",), "APL-1.0": ("apl1.0",), "Apache-2.0": ("apache2.0", "apachepl"),
    "Artistic-2.0": ("artistic-license-2.0",), "BSL-1.0": ("bsl1.0",), "CUA-OPL-1.0": ("cuaoffice",),
    "CDDL-1.0": ("cddl1",), "CPAL-1.0": ("cpal_1.0",), "CATOSL-1.1": ("ca-tosl1.1",), "EPL-1.0": ("eclipse-1.0",),
    "ECL-2.0": ("ecl2",), "EFL-2.0": ("ver2_eiffel",), "EFL-1.0": ("eiffel",), "EUDatagrid": ("eudatagrid",),
    "Entessa": ("entessa",), "Fair": ("fair",), "Frameworx-1.0": ("frameworx",), "IPL-1.0": ("ibmpl",),
    "IPA": ("ipafont",), "ISC": ("isc-license",), "Intel": ("intel-open-source-license",), "LPL-1.0": ("plan9",),
    "LPL-1.02": ("lucent1.02",), "MIT": ("mit-license",), "MirOS": ("miros",), "Motosoto": ("motosoto",),
    "MPL-1.0": ("mozilla1.0",), "MPL-1.1": ("mozilla1.1",), "Multics": ("multics",), "NASA-1.3": ("nasa1.3",),
    "NTP": ("ntp-license",), "Naumen": ("naumen",), "NGPL": ("nethack",), "Nokia": ("nokia",),
    "NPOSL-3.0": ("nosl3.0",), "OCLC-2.0": ("oclc2",), "OFL-1.1": ("openfont",), "OGTSL": ("opengroup",),
    "PHP-3.0": ("php",), "Python-2.0": ("pythonsoftfoundation",), "CNRI-Python": ("pythonpl",), "QPL-1.0": ("qtpl",),
    "RPSL-1.0": ("real",), "RPL-1.5": ("rpl1.5",), "RSCPL": ("ricohpl",), "SimPL-2.0": ("simpl-2.0",),
    "Sleepycat": ("sleepycat",), "SISSL": ("sisslpl", "sun-issl"), "SPL-1.0": ("sunpublic",),
    "Watcom-1.0": ("sybase",), "PostgreSQL": ("postgresql",), "NCSA": ("uoi-ncsa",), "VSL-1.0": ("vovidapl",),
    "W3C": ("w3c",), "Xnet": ("xnet",), "ZPL-2.0": ("zpl",), "Zlib": ("zlib-license",),
})  # fmt: skip

# The EU's authority table, where its code is not Creative Commons' and not SPDX's.
EUROPE: Final = {
    "odc_by": ("ODC-By-1.0",), "odc_bl": ("ODbL-1.0",), "odc_pddl": ("PDDL-1.0",), "cc_pdm_1_0": ("CC-PDM-1.0",),
    "cc0": ("CC0-1.0",), "ogl_1_0": ("OGL-UK-1.0",), "ogl_2_0": ("OGL-UK-2.0",), "ogl_3_0": ("OGL-UK-3.0",),
    "ogl": _OGL_UK, "ogl_nc": ("NCGL-UK-2.0",), "gnu_fdl": _GFDL, "gnu_fdl_1_1": _GFDL[12:],
    "gnu_fdl_1_2": _GFDL[6:12], "gnu_fdl_1_3": _GFDL[:6], "nlod": SEVERAL["nlod"], "etalab": SEVERAL["etalab"],
    "lo_1_0": ("etalab-1.0",), "lo_2_0": ("etalab-2.0",), "iodl": SEVERAL["iodl"],
}  # fmt: skip
