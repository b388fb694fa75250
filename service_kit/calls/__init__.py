"""The calls that a server has open, from their headers to the last byte of their answers, and the bounds on them.

grpcio counts a call only while its handler runs: `maximum_concurrent_rpcs` does not see an answer that the client does
not read, and a thread of the pool waits for each message that does not come. Here a call takes a place in the lane of
its method when its message has arrived, and a thread only when it can run. What waits for its client takes neither.
"""
