"""What catalogues, forges and people call licences, apart from what `names` can read by rule. Data only.

Sources: CKAN's licence list, Hugging Face's hub documentation, the Open Definition's ids, the licences' own sites.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final


def _by_name(table: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    return {name.lower(): id for id, names in table.items() for name in names}


# A name without a version stands here only where there has never been more than one.
NAMES: Final = _by_name({
    "CC0-1.0": (
        "cc0", "cc-zero", "cc zero", "creative commons zero", "creative commons cc0", "cc0 1.0 universal",
        "cc0 1.0 universel", "cc0 1.0", "cc0-1.0-universal", "cc0 1.0 universal (cc0 1.0) public domain dedication",
        "cc0 1.0 public domain dedication", "creative commons zero v1.0 universal",
        "creative commons zero 1.0 universal", "creative commons zero 1.0", "cc-zero 1.0", "cc0: public domain",
    ),
    "CC-PDM-1.0": (
        "pdm", "pdm 1.0", "cc-pdm", "cc pdm 1.0", "public domain mark", "public domain mark 1.0",
        "creative commons public domain mark 1.0 universal", "creative commons public domain mark",
    ),
    "ODbL-1.0": (
        "odc-odbl", "odbl", "odbl 1.0", "odc odbl 1.0", "odc-odbl-1.0", "Open Database License",
        "Open Database License V1.0", "Open Database License (ODbL)", "Open Database License 1.0",
        "Open Data Commons Open Database License", "Open Data Commons Open Database License 1.0",
    ),
    "ODC-By-1.0": (
        "odc-by", "odc by 1.0", "ODC Attribution License", "ODC Attribution License (ODC-By)",
        "Open Data Commons Attribution License", "Open Data Commons Attribution License 1.0",
    ),
    "PDDL-1.0": (
        "odc-pddl", "odc-pddl-1.0", "pddl", "pddl 1.0", "open data commons public domain dedication and licence",
        "Open Data Commons Public Domain Dedication and License",
        "Open Data Commons Public Domain Dedication and License 1.0",
    ),
    "CDLA-Permissive-1.0": (
        "cdla-permissive 1.0", "cdla permissive 1.0", "Community Data License Agreement Permissive 1.0",
    ),
    "CDLA-Permissive-2.0": (
        "cdla-permissive 2.0", "cdla permissive 2.0", "Community Data License Agreement Permissive 2.0",
    ),
    "CDLA-Sharing-1.0": (
        "cdla-sharing 1.0", "cdla sharing 1.0", "Community Data License Agreement Sharing 1.0",
    ),
    "etalab-2.0": (
        "etalab 2.0", "licence ouverte 2.0", "open licence 2.0", "lov2",
        "licence ouverte / open licence version 2.0", "Etalab Open License 2.0", "licence ouverte v2.0",
        "etalab open licence v2.0",
    ),
    "OGL-UK-3.0": (
        "ogl 3.0", "ogl v3.0", "ogl uk 3.0", "open government licence 3.0", "open government licence v3",
        "open government licence v3.0", "ogl v3",
    ),
    "LAL-1.3": (
        "Free Art License 1.3", "licence art libre 1.3", "fal 1.3",
    ),
    "CC-PDDC": (
        "cc-pddc",
    ),
})  # fmt: skip

SEVERAL: Final = {
    name.lower(): candidates
    for names, candidates in (
        (("etalab", "licence ouverte", "open licence", "fr-lo"),
         ("etalab-2.0",)),
        (("uk-ogl", "ogl", "ogl-uk", "open government licence"),
         ("OGL-UK-3.0",)),
        (("cdla", "Community Data License Agreement"),
         ("CDLA-Permissive-2.0", "CDLA-Permissive-1.0", "CDLA-Sharing-1.0")),
        (("cdla-permissive",),
         ("CDLA-Permissive-2.0", "CDLA-Permissive-1.0")),
        (("cdla-sharing",),
         ("CDLA-Sharing-1.0",)),
        (("odc", "open data commons"),
         ("ODbL-1.0", "ODC-By-1.0", "PDDL-1.0")),
        (("public domain", "other-pd", "publicdomain", "pd"),
         ("CC0-1.0", "CC-PDM-1.0", "PDDL-1.0")),
        (("Free Art License", "licence art libre", "lal"),
         ("LAL-1.3",)),
        (("gpl",),
         ("GPL-3.0-only", "GPL-3.0-or-later", "GPL-2.0-only", "GPL-2.0-or-later")),
    )
    for name in names
}  # fmt: skip

REFUSED: Final[dict[str, str]] = {
    "": "no licence is named",
    "notspecified": "it says that no licence was given",
    "notspecified-open": "it says that no licence was given",
    "unknown": "it says that the licence is not known",
    "none": "it says that there is no licence",
    "noassertion": "it says that nobody stated a licence",
    "other": "it says only that the licence is another one",
    "other-open": "it says only that some open licence holds",
    "other-at": "it says only that attribution is asked for",
    "other-nc": "it says only that commercial use is excluded",
    "other-closed": "it says that the data is not open",
    "openrail": "use-restricted licences of this family are not known here; carry its text as a LicenseRef of its own",
    "all rights reserved": "it grants nothing",
    "proprietary": "it says that the data is not open",
}

# Host and path, without "www." and a closing slash.
PLACES: Final = _by_name({
    "ODbL-1.0": (
        "opendatacommons.org/licenses/odbl", "opendatacommons.org/licenses/odbl/1.0",
        "opendatacommons.org/licenses/odbl/1-0",
    ),
    "ODC-By-1.0": (
        "opendatacommons.org/licenses/by", "opendatacommons.org/licenses/by/1.0",
        "opendatacommons.org/licenses/by/1-0",
    ),
    "PDDL-1.0": (
        "opendatacommons.org/licenses/pddl", "opendatacommons.org/licenses/pddl/1.0",
        "opendatacommons.org/licenses/pddl/1-0",
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
    ),
    "OGL-UK-3.0": (
        "nationalarchives.gov.uk/doc/open-government-licence/version/3",
    ),
    "LAL-1.3": (
        "artlibre.org", "artlibre.org/licence/lal",
    ),
    "GPL-3.0-only": (
        "gnu.org/licenses/gpl-3.0.html", "gnu.org/licenses/gpl-3.0.en.html",
        "gnu.org/licenses/gpl-3.0-standalone.html",
    ),
    "CC-PDDC": (
        "creativecommons.org/licenses/publicdomain",
    ),
})  # fmt: skip
