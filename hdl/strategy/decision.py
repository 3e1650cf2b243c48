"""From a book's touch to a checked order: features, model, strategy, risk gate, own orders."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.feature.extractor import FeatureExtractor
from hdl.model.banks import ModelBanks, ModelPort
from hdl.model.linear import LinearEngine
from hdl.order.own_orders import POSITION_BITS, Exposure, OwnOrders
from hdl.orders import FeatureVector, OrderRequest, OrderSent, Score, VenueAnswer
from hdl.profile import Profile
from hdl.records import EventComing, SideDepth, TopOfBook
from hdl.risk.gate import RiskGate, Verdict
from hdl.risk.kill_switch import KillSwitch
from hdl.risk.limits import LimitRow
from hdl.row_table import RowPort, RowTable
from hdl.strategy.candidates import CandidateOrders
from hdl.strategy.parameters import StrategyRow
from hdl.strategy.threshold import ThresholdStrategy

__all__ = ["DecisionPath", "KILL_CAUSES"]

#: Bits of ``cause``; the watchdog follows.
KILL_CAUSES = ("operator", "fault", "unexpected_answer", "overfill", "broken_trade", "answers_lost")


class DecisionPath(wiring.Component):
    """Decide on each book event, and account for what the venue answers.

    Latency: 4 cycles, `tops` transfer to ``requests.valid``: features 2, engine 2; strategy and
    gate decide in the cycle of the score. See :class:`RiskGate` for what makes an order wait.
    Throughput: 1 event per 2 cycles.

    Reset is closed: no model, no parameters, no limits, disarmed. A kill that
    `cfg_cancel_on_kill` accompanies starts a sweep, and starts it again when an order that was
    already on its way is absorbed, or the operator kills once more.

    Parameters
    ----------
    profile : :class:`Profile`
        Sizes.

    Members
    -------
    tops, coming : ``In``
        Best bid and offer after each event, and what is known of it a cycle before.
    sides, books_cleared : ``In``
        Best levels of each side after its events; pulse: all books are empty.
    tradable, spoilt, short_restricted, feed_up, session_up : ``In``
        See :class:`RiskGate`; the order session can take orders.
    now_ns : ``In(64)``
        Hardware time.
    requests : ``Out(stream.Signature(OrderRequest(profile)))``
        Orders to send; ``valid`` may fall without a transfer.
    sent, answers : ``In``
        Frames that have begun, one for each transfer of `requests`; what the venue says.
    vectors, scores, verdicts : ``Out``
        For the record: what was seen, scored and decided.
    decided : ``Out(1)``
        Pulse: the gate takes an intent of the strategy.
    limits_version : ``Out(16)``
        Commits and revocations of limits.
    strategy_cfg, limits_cfg, model_cfg : ``In``
        Settings: :func:`RowPort` of ``StrategyRow`` and ``LimitRow``, and ``ModelPort``.
    epoch, active_bank, model_loaded : ``Out``
        The model that scores.
    kill, fault : ``In(1)``
        What kills: a pulse, the operator's; a level or pulse, any internal error.
    arm, disarm, clear, heartbeat, sweep : ``In(1)``
        Pulses; see :class:`KillSwitch` and :class:`OwnOrders`.
    armed, killed, cause, tripped, command_refused : ``Out``
        State of the kill switch; ``cause`` has :data:`KILL_CAUSES` and the watchdog.
    cfg_hold_ns, cfg_interval_ns, cfg_burst_ns, cfg_timeout_ns, cfg_cancel_on_kill : ``In``
        Settings of the gate, the message rate, the watchdog and the kill.
    read_symbol, read_exposure, cash, turnover, load, load_symbol, load_position : ``In``, ``Out``
        Positions; see :class:`OwnOrders`.
    ready, sweeping : ``Out(1)``
        The order table has been cleared; a sweep is going on.
    stat_dropped, stat_saturated, stat_blocked, stat_waited, stat_reserved_wait : ``Out(1)``
        Pulses of the parts.
    """

    #: Cycles from `tops` transfer to ``requests.valid``.
    latency = FeatureExtractor.latency + LinearEngine.latency + RiskGate.latency

    def __init__(self, profile: Profile):
        self.profile = profile
        symbol = profile.symbol_bits

        def watched(shape):
            return Out(stream.Signature(shape, always_ready=True))

        super().__init__({
            "tops": In(stream.Signature(TopOfBook(profile), always_ready=True)),
            "coming": In(EventComing(profile)),
            "sides": In(stream.Signature(SideDepth(profile), always_ready=True)),
            "books_cleared": In(1),
            "tradable": In(profile.symbols), "spoilt": In(profile.symbols),
            "short_restricted": In(profile.symbols), "feed_up": In(1), "session_up": In(1),
            "now_ns": In(64),
            "requests": Out(stream.Signature(OrderRequest(profile))),
            "sent": In(stream.Signature(OrderSent(profile), always_ready=True)),
            "answers": In(stream.Signature(VenueAnswer, always_ready=True)),
            "vectors": watched(FeatureVector(profile)),
            "scores": watched(Score(profile)),
            "verdicts": watched(Verdict(profile)),
            "decided": Out(1), "limits_version": Out(16),
            "strategy_cfg": In(RowPort(StrategyRow, profile.symbols)),
            "limits_cfg": In(RowPort(LimitRow, profile.symbols)),
            "model_cfg": In(ModelPort),
            "epoch": Out(16), "active_bank": Out(1), "model_loaded": Out(1),
            "kill": In(1), "fault": In(1),
            "arm": In(1), "disarm": In(1), "clear": In(1), "heartbeat": In(1), "sweep": In(1),
            "armed": Out(1), "killed": Out(1), "cause": Out(len(KILL_CAUSES) + 1),
            "tripped": Out(1), "command_refused": Out(1),
            "cfg_hold_ns": In(32), "cfg_interval_ns": In(32), "cfg_burst_ns": In(32),
            "cfg_timeout_ns": In(40), "cfg_cancel_on_kill": In(1),
            "read_symbol": In(symbol), "read_exposure": Out(Exposure),
            "cash": Out(signed(64)), "turnover": Out(64),
            "load": In(1), "load_symbol": In(symbol), "load_position": In(signed(POSITION_BITS)),
            "ready": Out(1), "sweeping": Out(1),
            "stat_dropped": Out(1), "stat_saturated": Out(1), "stat_blocked": Out(1),
            "stat_waited": Out(1), "stat_reserved_wait": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        profile = self.profile

        def feed(source, sink):
            m.d.comb += [sink.valid.eq(source.valid),
                         Value.cast(sink.p).eq(Value.cast(source.p))]

        def same(names, inner):
            """Connect members of the same name, the way they point here."""
            for name in names.split():
                ours, theirs = getattr(self, name), getattr(inner, name)
                if self.signature.members[name].flow == In:
                    m.d.comb += Value.cast(theirs).eq(Value.cast(ours))
                else:
                    m.d.comb += Value.cast(ours).eq(Value.cast(theirs))

        # Score: features, then the engine with the active bank and the candidates' levels.
        m.submodules.candidates = candidates = CandidateOrders(profile)
        m.submodules.features = features = FeatureExtractor(profile)
        m.submodules.engine = engine = LinearEngine(profile)
        m.submodules.banks = banks = ModelBanks(guard_cycles=LinearEngine.latency)
        feed(self.tops, features.tops)
        feed(features.vectors, engine.vectors)
        feed(features.vectors, self.vectors)
        feed(engine.scores, self.scores)
        wiring.connect(m, wiring.flipped(self.model_cfg), banks.cfg)
        feed(self.sides, features.sides)
        same("coming stat_dropped", features)
        same("stat_saturated", engine)
        m.d.comb += [
            features.clear.eq(self.books_cleared),
            Value.cast(engine.known).eq(Value.cast(features.known)),
            Value.cast(engine.parameters).eq(Value.cast(banks.active)),
            Value.cast(engine.levels).eq(Value.cast(candidates.candidates.p.levels)),
            engine.epoch.eq(banks.epoch), engine.loaded.eq(banks.loaded),
            self.epoch.eq(banks.epoch), self.active_bank.eq(banks.active_bank),
            self.model_loaded.eq(banks.loaded),
        ]

        # Meanwhile: both orders that the score could make.
        m.submodules.parameters = parameters = RowTable(StrategyRow, profile.symbols)
        m.submodules.strategy = strategy = ThresholdStrategy(
            profile,
            delay=features.latency + engine.latency - candidates.latency)
        wiring.connect(m, wiring.flipped(self.strategy_cfg), parameters.cfg)
        feed(self.tops, candidates.tops)
        feed(candidates.candidates, strategy.candidates)
        feed(engine.scores, strategy.scores)
        same("now_ns stat_blocked", strategy)
        m.d.comb += [
            parameters.row_0.eq(candidates.row),
            Value.cast(candidates.parameters).eq(Value.cast(parameters.settings_0)),
            candidates.loaded.eq(parameters.loaded_0),
        ]

        # The gate judges them before it is asked.
        m.submodules.limits = limits = RowTable(LimitRow, profile.symbols)
        m.submodules.gate = gate = RiskGate(profile)
        m.submodules.kill_switch = switch = KillSwitch(KILL_CAUSES)
        m.submodules.own = own = OwnOrders(profile)
        wiring.connect(m, wiring.flipped(self.limits_cfg), limits.cfg)
        feed(strategy.intents, gate.intents)
        wiring.connect(m, own.cancels, gate.cancels)
        wiring.connect(m, gate.requests, wiring.flipped(self.requests))
        feed(self.tops, gate.tops)
        feed(gate.verdicts, self.verdicts)
        same("tradable spoilt short_restricted feed_up session_up now_ns cfg_hold_ns "
             "cfg_interval_ns cfg_burst_ns stat_waited stat_reserved_wait", gate)
        candidate = candidates.candidates.p
        m.d.comb += [
            gate.orders_symbol.eq(candidates.next_symbol),
            gate.orders.buy_price.eq(candidate.buy_price),
            gate.orders.sell_price.eq(candidate.sell_price),
            gate.orders.buy_quantity.eq(candidate.quantity),
            gate.orders.sell_quantity.eq(candidate.quantity),
            limits.row_0.eq(gate.symbol_index),
            Value.cast(gate.limits).eq(Value.cast(limits.settings_0)),
            gate.limits_loaded.eq(limits.loaded_0),
            gate.limits_version.eq(limits.cfg.version),
            self.limits_version.eq(limits.cfg.version),
            self.decided.eq(strategy.intents.valid),
            own.symbol_index.eq(gate.symbol_index),
            own.held_symbol.eq(self.tops.p.symbol_index), features.position.eq(own.held),
            Value.cast(gate.exposure).eq(Value.cast(own.exposure)),
            gate.slot_free.eq(own.slot_free),
            gate.absorbed.eq(own.absorbed),
            gate.armed.eq(switch.armed), gate.killed.eq(switch.killed),
        ]

        # What became of the orders.
        killed_again = Signal()
        feed(self.sent, own.sent)
        feed(self.answers, own.answers)
        same("read_symbol read_exposure cash turnover load load_symbol load_position ready "
             "sweeping", own)
        m.d.comb += [
            strategy.working.eq(own.working), strategy.resting.eq(own.resting),
            own.lookup_symbol.eq(strategy.lookup_symbol),
            strategy.buy_user_ref_num.eq(own.buy_user_ref_num),
            strategy.sell_user_ref_num.eq(own.sell_user_ref_num),
            strategy.gate_busy.eq(gate.busy),
            own.sweep.eq(self.sweep | (self.cfg_cancel_on_kill & (
                switch.tripped | killed_again | (own.absorbed & switch.killed)))),
        ]
        m.d.sync += killed_again.eq(self.kill & switch.killed)
        for name in ("refused", "refused_symbol", "refused_side"):
            m.d.comb += getattr(strategy, name).eq(getattr(gate, name))
        for name in ("absorbed", "absorbed_symbol", "absorbed_side"):
            m.d.comb += getattr(strategy, name).eq(getattr(own, name))

        # Arming and killing.
        same("arm disarm clear heartbeat now_ns cfg_timeout_ns armed killed cause tripped", switch)
        m.d.comb += [
            switch.triggers.eq(Cat(self.kill, self.fault, own.unexpected, own.overfilled,
                                   own.broken, own.lost)),
            self.command_refused.eq(switch.refused),
        ]
        return m
