"""Disk images that every lab starts from: real file systems with files whose bytes are known.

The package holds three sparse images and `manifest.json`. An image carries only what a file
system itself wrote (partition tables, directories, journals); the bytes of larger files are made
again from seeds when a lab is created, so three disks with 45 MiB of files cost a few hundred
kilobytes in the repository, and half of those bytes do not compress, like real ones. The manifest
says of each file where its bytes are on the disk and what they hash to, so a simulated guest can
overwrite real extents of real files, and a judge can tell whether a recovered file is right.

`tests/images/build_images.py` makes everything here; it needs mkfs.ntfs, ntfs-3g, mkfs.ext4 and
sgdisk, which nobody who merely runs the lab needs.

Decided against: images of a real operating system (licences, size), and images made when a lab is
created (programs that only some machines have).
"""
