"""The callers' side: listeners and routes, and what turns a call into its answer.

server      listeners, the guard in front of everything, the short list of routes
visit       one call while it is here: its words, its caller, its record, its connection
forward     streams a call through untouched
hold        turns a recognised call into its synchronous answer
results     fetches the finished item, each caller's with its own credential
operations  the caller's /_gateway/operations/... routes
answers     the answers that are the gateway's own, as values
tickets     what lets a client come back without its Authorization
connection  one caller's connection: deadlines, bounds, refusals that are no request's
intake      cuts what a caller sends into pieces that the parser may have
responder   writes an answer onto the connection, byte for byte
"""
