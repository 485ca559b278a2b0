"""The callers' side: listeners and routes, and what turns a call into its answer.

server      listeners, the guard in front of everything, the short list of routes
visit       one call while it is here: its words, its caller, its record, its connection
forward     streams a call through untouched
hold        turns a recognised call into its synchronous answer; held is what is kept of it meanwhile
batch       $batch: holds what is in it, part by part; carrier, part, batch_text are its own
failing     whatever goes wrong with a call ends in an answer
results     fetches the finished item, each caller's with its own credential
operations  the caller's /_gateway/operations/... routes
answers     the answers that are the gateway's own, as values
tickets     what lets a client come back without its Authorization
express     lets a plain read pass without a task; shortway is what its connection does for that
listener    aiohttp's server with connections of ours, and how it comes to rest
connection  one caller's connection: deadlines, bounds, refusals that are no request's
dozing      what a connection lets go of while its call is held
objection   what the parser objects to, in our words
door        accepts connections over TLS, and shakes hands before they are connections
tls         what is spoken there, with which certificate, and whose certificates are taken
pace        how long a caller may take over a body
memory      whether there is memory for one more call
intake      cuts what a caller sends into pieces that the parser may have
responder   writes an answer onto the connection, byte for byte
"""
