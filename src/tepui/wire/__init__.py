"""How messages travel: JSON the Mesos way, protobuf, RecordIO, MessagePack frames, and who may ask for which."""
