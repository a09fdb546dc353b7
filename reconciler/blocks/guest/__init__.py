"""What a guest keeps on its disk, as far as a backup must know it: where its page files are.

The bytes are the guest's, so they are hostile. The reader is our own, small and in Python: it
runs within the server, where a crash of a C library would take every job with it, and it reads a
handful of blocks, where a process of its own would cost more than the whole incremental. libfsntfs
reads the same file systems in the tests, and must agree.

What is read is the disk at the moment of its checkpoint: blocks that the host calls unchanged from
the replica, which costs the host nothing, and all others from the host. The state of the last
recovery point would not do: clusters that were a page file's then may hold a document now.

What cannot be understood to the last byte is no page file, and told: dynamic disks, logical drives
of an extended partition, a torn GPT (its second header is not asked), BitLocker, ReFS, compressed
or sparse files, files with a second name, and every structure that contradicts itself. Never
hiberfil.sys: a guest that wakes up needs it.
"""
