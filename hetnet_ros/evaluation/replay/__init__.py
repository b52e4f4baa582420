"""From a recording to a result people look at: labels, offline replay, statistics, JSON, report, comparison."""
