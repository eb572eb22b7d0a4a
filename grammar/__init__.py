"""What a taskflow file may say and mean. Pure: no Temporal, no agents, no network."""
