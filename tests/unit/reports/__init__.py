"""Call reports and debug data: who may send them, how they are named, kept and joined."""
