"""How the numbers of a report come about: its last section."""

__all__ = ["METHOD"]

METHOD = """
<p>Every number above comes from event records of the appliance, as they stand in the Parquet files;
only the comparison of three sides is taken from the run's <code>report.json</code>, and scores
between orders from its <code>run.twr</code>.</p>
<dl>
<dt>time</dt><dd>The exchange's. A change of the book has the time of its message, an answer that of
the venue. An order's frame began so many cycles after the message that caused it; the way of that
message to the appliance is not in it. If that message changed no best bid or offer, and so has no
record, the order's time is reckoned back from the next message or answer, as is that of cancels.
</dd>
<dt>mid</dt><dd>Half the sum of best bid and offer, where both are there and the book is exact.</dd>
<dt>microprice</dt><dd>(bid x ask shares + ask x bid shares) / (bid shares + ask shares).</dd>
<dt>equity</dt><dd>What sales brought minus what purchases cost, and positions at the last mid; no
fees. Positions and cash begin at zero with the recording.</dd>
<dt>markout</dt><dd>Of a purchase the mid some time after the execution minus the price, of a sale
the opposite; weighted by shares. After 0 is the book that the message of the execution itself, and
everything else at that nanosecond, leave behind. Left out where the recording ends before.</dd>
<dt>cost</dt><dd>Price minus the mid just before the execution, of a sale the opposite: half the
spread for an order that takes, negative for one that rested.</dd>
<dt>latency</dt><dd>Start of the frame with the trigger to Start of the frame with the order. Its
stages add up to the whole. On a simulated appliance the cycles are exact, and what they are in ns
depends on the frequency that a board reaches.</dd>
<dt>score</dt><dd>As it stands in the records of orders and refusals, in the model's own unit. Where
the run's messages were recorded as well, the one after each of them is computed with the features
and the model of that moment, and compared with those in the records.</dd>
</dl>
"""
