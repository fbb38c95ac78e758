"""From a trained cascade to events: blocks of event numbers, conservation laws, decays handed in as an object."""
