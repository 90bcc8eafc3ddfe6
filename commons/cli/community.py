"""The commands of communities: found one, take part, propose, vote, see how it stands and what its gate-keepers did."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from commons.cli import questions, show, stop
from commons.cli.show import Told, count, say, table, when
from commons.cli.terminal import PLACE, Shell, go_on, named, pass_context, read_text, source_of
from commons.cli.usage import WHOLE, OneOf, Wrong
from commons.core.state.actions import ACTIONS
from commons.errors import Malformed


@click.group()
def community() -> None:
    """Communities that govern their data: charter, colleges, proposals, votes."""


@community.command("new")
@click.argument("charter", type=PLACE)
@pass_context
def community_new(c: Shell, charter: Path) -> None:
    """Found a community, as the file CHARTER (TOML) says; this home keeps its log.

    Where there is no home yet, one is made with it. In a home that there is, the community gets an identity of its own:
    nobody who sees it can tell that it is run by whoever has your other communities.
    """
    with stop.AtOnce():
        from commons import session

    text, begun = read_text(charter), None
    if (c.home / "config.json").is_file():
        begun = c.call("begin", charter=text)["commons"]
    else:
        session.create(c.home, charter=text)
    c.tell(c.call("community", named=begun), tell_community)


@community.command("status")
@named
@click.option("--all", "everything", is_flag=True, help="Closed proposals too.")
@pass_context
def community_status(c: Shell, named: str | None, everything: bool) -> None:
    """Who is in it, what is open, who has not voted and what is missing. Read anew from the log, and verified."""
    c.tell(c.call("community", bar="Verifying", named=named, everything=everything), tell_community)


@community.command("invite")
@click.argument("college")
@click.option("--days", type=WHOLE, default=14, show_default=True, help="How long the invitation may be taken.")
@click.option("--reason", "words", default="", help="Why, in words; public to all who read the log.")
@click.option("--lan", is_flag=True, help="Include the addresses of this node's home network.")
@named
@go_on
@pass_context
def community_invite(c: Shell, /, **words: Any) -> None:
    """Propose to admit whoever holds a new invitation into COLLEGE, and print the invitation."""
    c.tell(c.call("invite", **words), tell_invited)


@community.command("join")
@click.argument("invitation", default="-", metavar="[-]")
@click.option("--linked", is_flag=True, help="Take part under this home's first identity, by which others know you.")
@pass_context
def community_join(c: Shell, invitation: str, linked: bool) -> None:
    """Take an invitation, pasted or from standard input: a peer id of yours stands in the community's log from then on.

    It is one of its own, by which nobody can tell that you do anything else under another, except by your network
    address, if you use both from the same one.

    It is no argument: whoever holds an invitation can take it, and every user of a machine sees the words of a command.
    """
    if invitation != "-":
        raise Malformed(
            "an invitation can be taken by whoever sees it, and the words of a command are seen by all on this machine",
            hint="`commons community join` asks for it, or reads it from standard input",
        )
    c.check_writable()
    asked = sys.stdin.isatty() and not c.json
    text = questions.unseen("Paste the invitation (it is not shown)") if asked else sys.stdin.readline()
    c.tell(c.call("join", text=text.strip(), linked=linked), tell_joined)


@community.command("rename")
@click.argument("name", default="")
@named
@pass_context
def community_rename(c: Shell, name: str, named: str | None) -> None:
    """Call a commons NAME in this home, for --in; without NAME, as its charter does. Nobody else sees it."""
    c.tell(c.call("rename", name=name, named=named), tell_names)


@community.command("stand-by")
@click.option("--stop", is_flag=True, help="Do so no more.")
@named
@pass_context
def community_stand_by(c: Shell, stop: bool, named: str | None) -> None:
    """Take requests while a community's registrar is away, as a witness does: they are handed on, and decided by it."""
    c.tell(c.call("stand_by", bar="Verifying", named=named, stop=stop), tell_standing_by)


@community.command("leave")
@named
@pass_context
def community_leave(c: Shell, named: str | None) -> None:
    """Take part in a community no more: its copy of the log is deleted here. What you fetched stays."""
    if named is None:
        raise Wrong("name the community: --in NAME")
    c.tell(c.call("leave", named=named), tell_left)


@community.command("forget")
@click.option("--yes", is_flag=True, help="Do not ask.")
@named
@pass_context
def community_forget(c: Shell, named: str | None, yes: bool) -> None:
    """Delete all that this home has of a community: with the identity under which you took part in it, also your
    requests, keys and datasets. It cannot be brought back."""
    if named is None:
        raise Wrong("name the community: --in NAME")
    if not yes and c.json:
        raise Wrong("what is forgotten cannot be brought back: --json wants --yes beside it")
    if not yes:
        c.check_writable()
        if not questions.agreed(f"All that this home has of {named} cannot be brought back. Forget it?"):
            raise click.Abort
    c.tell(c.call("forget", named=named), tell_left)


@community.command("follow")
@click.argument("address")
@click.option("--commons", metavar="ID", help="Which community it must be.")
@pass_context
def community_follow(c: Shell, address: str, commons: str | None) -> None:
    """Take part in the community whose node is at ADDRESS, if its charter lists you; watch it, if not."""
    c.tell(c.call("follow", bar="Verifying", source=address, commons=commons), tell_community)


@community.command("propose")
@click.argument("action", type=OneOf(list(ACTIONS)))
@click.option("--college", help="Into or from which college.")
@click.option("--peer", metavar="PEER", help="Whom to admit or expel.")
@click.option("--dataset", metavar="REF", help="Which dataset to publish or withdraw, or whose rule to set.")
@click.option("--access", metavar="RULE", help="The rule to set: acknowledge, members, approval or vote.")
@click.option("--of", metavar="COLLEGE", help="The college that the new rule names.")
@click.option(
    "--entry", "target", type=WHOLE, metavar="N", help="Which request to answer, or which invitation to close."
)
@click.option("--until", metavar="DATE", help="The last day of a grant (UTC).")
@click.option("--file", type=PLACE, help="The amended charter (TOML), or the custodians.")
@click.option("--reason", "words", default="", help="Why, in words; public to all who read the log.")
@named
@go_on
@pass_context
def community_propose(c: Shell, /, file: Path | None, until: str | None, **words: Any) -> None:
    """Propose something that the charter lets members decide. Whoever proposes has voted yes."""
    text = read_text(file) if file else None
    c.tell(c.call("propose", file=text, expires=show.end(until), **words), tell_voted)


@community.command("vote")
@click.argument("proposal", type=WHOLE)
@click.argument("choice", type=OneOf(["yes", "no", "abstain"]))
@click.option("--reason", default="", help="Why, in words; public to all who read the log.")
@named
@go_on
@pass_context
def community_vote(c: Shell, /, **words: Any) -> None:
    """Cast your ballot, once. It is signed, and public to all who read the log."""
    c.tell(c.call("vote", **words), tell_voted)


@community.command("take-over")
@click.argument("source", required=False)
@click.option("--anew", is_flag=True, help="Make a new offer, in the place of the one that was rejected or expired.")
@named
@go_on
@pass_context
def community_take_over(c: Shell, source: str | None, anew: bool, named: str | None) -> None:
    """Keep the log of a community from now on: offer it, and once its members have chosen you, go on from the last head
    that its witnesses signed. SOURCE shows the log if its registrar does not: a peer, a URL, a folder or a .zip."""
    c.tell(c.call("take_over", bar="Verifying", source=source_of(source), anew=anew, named=named), tell_taken_over)


@community.command("vote-at")
@click.argument("address")
@click.argument("choice", type=OneOf(["yes", "no", "abstain"]))
@click.option("--reason", default="", help="Why, in words; public to all who read the log.")
@named
@pass_context
def community_vote_at(c: Shell, /, **words: Any) -> None:
    """Vote on the offer of the node at ADDRESS to keep a log whose registrar does not answer."""
    c.tell(
        c.call("vote_at", **words),
        lambda told: say(
            f"Your ballot is with {told['registrar']}: {told['choice']} to let them keep the log of {told['commons']}."
        ),
    )


@community.command("statistics")
@click.argument("source", required=False)
@click.option("--since", metavar="DATE", help="Only requests from this day on (UTC), e.g. 2030-01-31.")
@click.option("--until", metavar="DATE", help="Only requests until this day, included (UTC).")
@named
@pass_context
def community_statistics(c: Shell, source: str | None, since: str | None, until: str | None, named: str | None) -> None:
    """What the keepers of the gate did, by dataset. SOURCE as for `audit`; else the community's own log."""
    words: dict[str, Any] = {"source": source_of(source), "named": named, **show.span(since, until)}
    c.tell(c.call("statistics", bar="Verifying", **words), tell_statistics)


def tell_community(told: Told) -> None:
    """Nothing: prints how a community stands, and what is open."""
    say(f"{told['name']} ({told['commons']})")
    if told["purpose"]:
        say(told["purpose"])
    say(f"Registrar   {told['registrar']}; openings are read by: {told['readers']}")
    if told["outdated"]:
        say(f"UPGRADE     {told['outdated']}")
    elif told["rules"] > 1:
        say(f"Rules       {told['rules']}")
    if told["heir"]:
        say(f"Chosen      {told['heir']} is to keep the log, and has not taken it over yet")
    if told["faults"]:
        say(
            f"FAULTS      {count(told['faults'], 'entry')} of this log are faulty, and give no right: `commons audit` "
            "shows them, and members can choose another registrar"
        )
    for name, peers in told["colleges"].items():
        say(f"College     {name}, {': '.join(filter(None, (count(len(peers), 'member'), ', '.join(peers))))}")
    say(f"You are     {'in ' + ', '.join(told['mine']) if told['mine'] else 'no member'}")
    for power in told["powers"]:
        rule = "; ".join(line.strip() for line in power["rule"].splitlines() if line.strip())
        say(f"Decides     {power['action']}, within {count(power['days'], 'day')}: {rule}")
    if told["ratchets"]:
        say(f"Only wider  {', '.join(told['ratchets'])}")
    if told["retention_days"]:
        say(f"Forgets     who asked for what, {count(told['retention_days'], 'day')} after they did")
    for cid, entry in told["withdrawn"].items():
        say(f"Withdrawn   commons:{cid}, by entry {entry}")
    for each in told["proposals"]:
        say()
        tell_proposal(each)
        for line in each["means"]:
            say(f"  That is: {line}")
        for ballot in each["ballots"]:
            because = f", because: {ballot['reason']}" if ballot["reason"] else ""
            say(f"  {ballot['peer']}: {ballot['choice']}{because}")
    counted = sum(each["standing"] == "counted" for each in told["proposals"])
    if counted and not any(each["standing"] == "open" for each in told["proposals"]):
        say(f"Nobody has to vote. Waiting for witnesses: {count(counted, 'proposal')}.")
    if not told["proposals"]:
        say("No proposal is open.")


def tell_proposal(told: Told) -> None:
    """Nothing: prints one proposal, who has voted on it, and what it lacks."""
    closed = f" at entry {told['closed']}" if told["closed"] is not None else ""
    say(
        f"Proposal {told['proposal']}: {told['action']}, {told['about']}. It is {told['standing']}{closed}: "
        f"{told['yes']} yes, {told['no']} no, {told['abstain']} abstain."
    )
    if told["words"]:
        say(f"  Because: {told['words']}")
    if told["why"]:
        say(f"  It had no effect: {told['why']}")
    if told["standing"] == "counted":
        say(f"  It has its votes, and waits for witnesses who have seen them in time: {told['witnesses']}.")
    if told["standing"] == "open":
        say(f"  Until {when(told['deadline'])}. Missing: {told['missing']}.")
        if told["silent"]:
            say(f"  Has not voted: {', '.join(told['silent'])}")


def tell_voted(told: Told) -> None:
    tell_proposal(told["outcome"])


def tell_invited(told: Told) -> None:
    tell_proposal(told["outcome"])
    show.tell_reach(told)
    say(f"Give this to one person, in private; it can be taken once the proposal has passed:\n{told['invitation']}")


def tell_joined(told: Told) -> None:
    say(f"You take part in {told['commons']} from entry {told['entry']} on. `commons community status` shows it.")
    if told["linked"]:
        say(f"Linked: whoever sees {told['peer']} there and elsewhere sees that it is one peer.")
    else:
        say(f"There you are {told['peer']}, and that only there.")


def tell_names(told: Told) -> None:
    say("\n".join(f"{name}  {commons}" for commons, name in told["names"].items()) or "No commons has a name of yours.")


def tell_standing_by(told: Told) -> None:
    if not told["commons"]:
        say("This home stands by for no registrar.")
        return
    say(f"This home stands by for the registrar of {', '.join(told['commons'])}, while its node runs.")
    say("Whoever gets no answer there hands a request in here: `commons witness submit REF ADDRESS`.")


def tell_left(told: Told) -> None:
    say(f"Deleted here: {', '.join(told['deleted'])}.")
    if told["stays"]:
        say(f"Still here: {', '.join(told['stays'])}.")
    if told["member"]:
        say("The log lists you as a member until its members expel you: ask one to propose it.")


def tell_taken_over(told: Told) -> None:
    """Nothing: prints how far the taking over of a log has come, and what is next."""
    for what in told["wrong"]:
        say(f"A ballot did not count: {what}")
    if not told["taken"]:
        if told["outcome"] is not None:
            tell_proposal(told["outcome"])
        say("Members vote with: commons community vote-at ADDRESS yes. This node's addresses, while it runs:")
        say("\n".join(f"  {each}" for each in told["addresses"]) or "  none: start it with `commons node`")
        return
    say(
        f"This home keeps the log of {told['commons']} from now on: it goes on from a head of "
        f"{count(told['base'], 'entry')}, and has {told['entries']}."
    )
    if told["manifests"] < told["datasets"]:
        say(f"Only {told['manifests']} of {count(told['datasets'], 'dataset')} could be had from where it was kept.")
    if told["known"] < told["requests"]:
        say(
            f"Who asked is known for {told['known']} of {count(told['requests'], 'request')}: "
            "a copy with openings has more."
        )
    say(
        "Tell the members and the witnesses:\n"
        "  commons community follow ADDRESS     each member\n"
        "  commons witness add VKEY             each witness; `commons witness list` shows it"
    )


def tell_statistics(told: Told) -> None:
    if not told["datasets"]:
        say(f"No request is in the log of {told['commons']}, or none in that time.")
        return
    table(
        ("dataset", "requests", "granted", "refused", "waiting", "median time", "reasons"),
        [
            (
                f"{row['title']} v{row['version']}",
                row["requests"],
                row["granted"],
                row["refused"],
                row["waiting"],
                "" if row["median_seconds"] is None else f"{row['median_seconds']} s",
                ", ".join(f"{reason} {count}" for reason, count in sorted(row["reasons"].items())),
            )
            for row in told["datasets"]
        ],
    )


COMMANDS = (community,)
