"""Where clusterdns answers otherwise than CoreDNS 1.15 with the same objects, and why.

Each rule explains a kind of difference, and no more than that: it looks at the question and at both answers.
differential_test.py fails on a difference without a rule, and on a rule without a difference.
"""

import collections
import re

import questions

Case = collections.namedtuple("Case", "question them us items options")
Rule = collections.namedtuple("Rule", "name reason matches")
RULES = []


def rule(name, reason):
    def add(matches):
        RULES.append(Rule(name, reason, matches))
        return matches
    return add


def explain(case):
    if case.them is None or case.us is None:
        return None
    return next((r for r in RULES if r.matches(case)), None)


def _records(section):
    """Owners without their letters' case: which of them an answer repeats is not part of its meaning."""
    result = []
    for r in section:
        data = r.data
        if r.type == "SOA":
            # The serial is the server's own clock.
            primary, mailbox, _, *numbers = data.split()
            data = " ".join([primary, mailbox, *numbers])
        result.append((r.owner.lower(), r.type, r.ttl, data.lower()))
    return sorted(result)


def canonical(answer):
    """What is compared: everything but the order of records and the recursion-available flag."""
    return (answer.rcode, answer.aa, _records(answer.answer), _records(answer.authority), _records(answer.additional))
