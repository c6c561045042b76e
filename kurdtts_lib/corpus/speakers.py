import hashlib


def speaker_name(client_id: str, keep: bool) -> str:
    return client_id if keep else "speaker-" + hashlib.sha256(client_id.encode()).hexdigest()[:10]


def choose_speakers(table, settings):
    return [table.index[0]] if settings.speaker == "one" else settings.speaker.split(",")


def speaker_table(clips, figures):
    return clips.groupby("speaker").agg(minutes=("seconds", "sum")).sort_values("minutes", ascending=False)


def survey(*a):
    raise NotImplementedError
