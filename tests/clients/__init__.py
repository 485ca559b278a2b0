"""Other people's clients, told nothing but where the gateway is."""
