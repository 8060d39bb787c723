"""Who is accepted, and why not: names, chains, revocation."""
