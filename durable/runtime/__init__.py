"""What runs a hub: mailboxes and live sessions, processors, sweeper, the two entry points."""
