"""What is done to the product in a round: a schedule drawn from the seed."""

import time
from dataclasses import dataclass

from product import ROLES

# Mean time between two kills of one role. Snapshots are written every ten seconds, so some starts find one.
KILL_EVERY_S = 7.0
KILL_SOONEST_S = 0.4


@dataclass(frozen=True)
class Plan:
    """Which faults a round has."""

    name: str
    kills: bool = False
    broker: bool = False
    sinks: bool = False
    poison: bool = False
    freezes: bool = False
    lost_disks: bool = False
    takeovers: bool = False
    network: bool = False


PLANS = (
    Plan("kills", kills=True, poison=True),
    Plan("broker", broker=True, poison=True, freezes=True),
    Plan("sinks", sinks=True, kills=True),
    Plan("takeovers", takeovers=True, poison=True),
    Plan("network", network=True, kills=True),
    Plan("disks", kills=True, lost_disks=True, sinks=True, poison=True),
    Plan("all", kills=True, broker=True, sinks=True, poison=True, freezes=True, takeovers=True, network=True),
)
CALM = Plan("calm", poison=True)


def schedule(plan, dice, seconds):
    """(when, what, target, argument) in the order of time."""
    events = []
    if plan.kills:
        for role in ROLES:
            at = dice.uniform(0.2, KILL_EVERY_S)
            while at < seconds:
                lose_disk = plan.lost_disks and dice.random() < 0.15
                # Mostly at once, as a supervisor does it; sometimes it is away for a while.
                pause = dice.uniform(0.0, 0.5) if dice.random() < 0.8 else dice.uniform(1.0, 6.0)
                events.append((at, "kill", role, (pause, lose_disk)))
                at += KILL_SOONEST_S + dice.expovariate(1 / (KILL_EVERY_S - KILL_SOONEST_S))
    if plan.freezes:
        for _ in range(max(1, int(seconds / 20))):
            events.append((dice.uniform(0, seconds), "freeze", dice.choice(ROLES), dice.uniform(1, 8)))
    if plan.takeovers:
        # Not DELIVER: a process that is frozen inside of a request cannot be kept from ending it.
        for role in ROLES[:-1]:
            at = dice.uniform(1, 8)
            while at < seconds:
                events.append((at, "takeover", role, (dice.uniform(0.5, 12), dice.uniform(0.5, 5))))
                at += dice.uniform(8, 14)
    if plan.network:
        at = dice.uniform(1, 5)
        while at < seconds:
            events.append((at, dice.choice(["reset", "reset", "hole", "slow"]), "broker", dice.uniform(1, 8)))
            at += dice.uniform(5, 12)
    if plan.broker:
        for part in range(max(1, int(seconds / 30))):
            at = part * 30 + dice.uniform(3, 12)
            what = dice.choice(["kill", "restart", "pause"])
            events.append((at, what, "broker", dice.uniform(3, 15) if what == "pause" else dice.uniform(0.5, 5)))
    if plan.sinks:
        at = dice.uniform(0, 5)
        while at < seconds:
            # From time to time nobody answers well; else about every third request fails.
            share = dice.choice([0.3, 0.3, 0.6, 1.0])
            events.append((at, "sinks", "both", share))
            at += dice.uniform(4, 10)
            events.append((at, "sinks", "both", 0.0))
            at += dice.uniform(2, 8)
    return sorted(events)


def rage(events, product, broker, doubles, is_over):
    """Carries the schedule out, until it ends or the round has to."""
    began = time.monotonic()
    for at, what, target, argument in events:
        while time.monotonic() - began < at:
            if is_over():
                return
            time.sleep(0.02)
        if target == "broker":
            broker.fault(what, argument)
        elif what == "kill":
            pause, lose_disk = argument
            product.roles[target].kill(pause, lose_disk)
        elif what == "takeover":
            product.roles[target].take_over(*argument)
        elif what == "freeze":
            product.roles[target].freeze(argument)
        else:
            for double in doubles:
                double.fault_share = argument
