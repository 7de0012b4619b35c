"""A scenario carried out by Locust, on many machines at once: `locustfile.py` in the repository.

Theory of operation. Locust's master reads the scenario and gives it to each of its workers with a
number. Of the schedule's arrivals worker k of N takes number k and then each N-th
(`load.mix.Share`), so that all of them together start the same flows at the same times as one
generator would, but for the clocks: each worker begins when its users are there. A user of Locust
is a connection: it takes the next arrival that is due (`worker`), writes the bytes that our
generator would write, and reads the answer with the same parser (`client`). When a worker has
carried out its part, it sends each latency to the master, which makes the result of a run of them
(`merging`) and writes a run file (`coordinator`). `plugin` alone knows Locust; all else runs on
threads as well as on greenlets.

Locust counts for its own pages from the actual send. The run has both: from the moment a request
was due, and from the actual send.
"""
