/* import_stream.h - bytes from a file or a pipe, decompressed when they need
 * it (gzip, xz, zstd, by content), in a window that can be looked at whole.
 *
 * The window is [stream_at(), stream_at() + stream_left()). Its memory is what
 * it holds, STREAM_BYTES at most, and a little slack of readable bytes behind
 * it; nothing that the input claims makes it grow.
 *
 * Errors: 0 or negative errno; damage in a compressed input is -EINVAL with the
 * byte offset in the compressed file.
 */
#ifndef EMU_IMPORT_STREAM_H
#define EMU_IMPORT_STREAM_H

#include "base/err.h"
#include "base/types.h"

#define STREAM_BYTES (1u << 20)

struct stream {
	const char *name;
	u8 *buf;
	size_t room;            /* bytes of buf, without the slack            */
	size_t start, fill;     /* the window within buf                      */
	u64 offset;             /* of the window, in what was decompressed    */
	u64 in_bytes;           /* read from the file                         */
	bool is_end;            /* nothing follows the window                 */
	void (*progress)(void *arg, u64 in_bytes);
	void *arg;

	int fd;
	bool is_in_end;
	const struct stream_codec *codec;       /* NULL: plain                */
	void *codec_state;
	u8 *in;                 /* compressed bytes; NULL when plain          */
	size_t in_start, in_fill;
};

/* stream_open - reads the first bytes. On error @s holds nothing. */
int stream_open(struct stream *s, int fd, const char *name, struct err *e);
void stream_close(struct stream *s);

/* stream_more - make the window larger by what comes next, at least one byte,
 * or set is_end. A full window (STREAM_BYTES) cannot grow: -ENOBUFS. */
int stream_more(struct stream *s, struct err *e);

static inline const u8 *stream_at(const struct stream *s)
{
	return s->buf + s->start;
}

static inline size_t stream_left(const struct stream *s)
{
	return s->fill - s->start;
}

/* The first @n bytes of the window are done with. */
static inline void stream_skip(struct stream *s, size_t n)
{
	s->start += n;
	s->offset += n;
}

#endif
