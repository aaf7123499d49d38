/* import_stream.c - one loop for plain and compressed inputs; a codec is three
 * functions. */
#include "emu/import_stream.h"

#include <errno.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

/* What one read() takes, and the window to begin with: a page cache or a pipe
 * gives no more at once that would be worth a larger buffer. */
#define IN_BYTES (64u << 10)
#define SLACK 16                /* readable behind the window                 */
#define WINDOW_LIMIT (256ull << 20)     /* of a decompressor                  */

struct span {
	const u8 *in;
	size_t in_bytes;
	u8 *out;
	size_t out_bytes;
	bool is_last;           /* no input follows @in                       */
};

/* What a codec's run() found. */
enum codec_result {
	CODEC_MORE,             /* give it more input, or room                */
	CODEC_END,              /* a whole stream is over; another may follow */
	CODEC_BAD,              /* *why says what                             */
};

struct stream_codec {
	const char *name;
	u8 magic[6];
	size_t magic_bytes;
	/* NULL: no memory. Also called again after CODEC_END, with the old
	 * state. */
	void *(*begin)(void *old);
	/* Takes from and adds to @s by moving its ends. */
	enum codec_result (*run)(void *state, struct span *s, const char **why);
	void (*end)(void *state);
};

/* ---- gzip ---- */

static void *gzip_begin(void *old)
{
	z_stream *z = old ? old : calloc(1, sizeof(*z));

	if (!z)
		return NULL;
	if (old ? inflateReset(z) : inflateInit2(z, 15 + 16)) {
		inflateEnd(z);
		free(z);
		return NULL;
	}
	return z;
}

static enum codec_result gzip_run(void *state, struct span *s, const char **why)
{
	z_stream *z = state;
	int ret;

	z->next_in = (u8 *)s->in;
	z->avail_in = (uInt)s->in_bytes;
	z->next_out = s->out;
	z->avail_out = (uInt)s->out_bytes;
	ret = inflate(z, Z_NO_FLUSH);
	s->in += s->in_bytes - z->avail_in;
	s->in_bytes = z->avail_in;
	s->out += s->out_bytes - z->avail_out;
	s->out_bytes = z->avail_out;
	if (ret == Z_STREAM_END)
		return CODEC_END;
	if (ret == Z_OK || ret == Z_BUF_ERROR)
		return CODEC_MORE;
	*why = z->msg ? z->msg : "damaged data";
	return CODEC_BAD;
}

static void gzip_end(void *state)
{
	inflateEnd(state);
	free(state);
}

/* ---- xz ---- */

static void *xz_begin(void *old)
{
	lzma_stream *z = old ? old : calloc(1, sizeof(*z));

	if (!z)
		return NULL;
	if (!old)
		*z = (lzma_stream)LZMA_STREAM_INIT;
	if (lzma_stream_decoder(z, WINDOW_LIMIT, 0) != LZMA_OK) {
		lzma_end(z);
		free(z);
		return NULL;
	}
	return z;
}

static enum codec_result xz_run(void *state, struct span *s, const char **why)
{
	lzma_stream *z = state;
	lzma_ret ret;

	z->next_in = s->in;
	z->avail_in = s->in_bytes;
	z->next_out = s->out;
	z->avail_out = s->out_bytes;
	ret = lzma_code(z, s->is_last ? LZMA_FINISH : LZMA_RUN);
	s->in = z->next_in;
	s->in_bytes = z->avail_in;
	s->out = z->next_out;
	s->out_bytes = z->avail_out;
	switch (ret) {
	case LZMA_STREAM_END:
		return CODEC_END;
	case LZMA_OK:
	case LZMA_BUF_ERROR:
		return CODEC_MORE;
	case LZMA_MEMLIMIT_ERROR:
		*why = "it asks for more than 256 MiB of memory";
		break;
	case LZMA_MEM_ERROR:
		*why = "out of memory";
		break;
	case LZMA_OPTIONS_ERROR:
		*why = "options that this liblzma does not know";
		break;
	default:
		*why = "damaged data";
	}
	return CODEC_BAD;
}

static void xz_end(void *state)
{
	lzma_end(state);
	free(state);
}

/* ---- zstd ---- */

static void *zstd_begin(void *old)
{
	ZSTD_DCtx *z = old ? old : ZSTD_createDCtx();

	if (z)
		ZSTD_DCtx_setParameter(z, ZSTD_d_windowLogMax, 28);
	return z;
}

static enum codec_result zstd_run(void *state, struct span *s, const char **why)
{
	ZSTD_inBuffer in = { s->in, s->in_bytes, 0 };
	ZSTD_outBuffer out = { s->out, s->out_bytes, 0 };
	size_t ret = ZSTD_decompressStream(state, &out, &in);

	s->in += in.pos;
	s->in_bytes -= in.pos;
	s->out += out.pos;
	s->out_bytes -= out.pos;
	if (ZSTD_isError(ret)) {
		*why = ZSTD_getErrorName(ret);
		return CODEC_BAD;
	}
	return ret ? CODEC_MORE : CODEC_END;
}

static void zstd_end(void *state)
{
	ZSTD_freeDCtx(state);
}

static const struct stream_codec codecs[] = {
	{ "gzip", { 0x1f, 0x8b }, 2, gzip_begin, gzip_run, gzip_end },
	{ "xz", { 0xfd, '7', 'z', 'X', 'Z', 0 }, 6, xz_begin, xz_run, xz_end },
	{ "zstd", { 0x28, 0xb5, 0x2f, 0xfd }, 4, zstd_begin, zstd_run,
	  zstd_end },
};

/* ---- the stream ---- */

static int read_some(struct stream *s, u8 *to, size_t room, size_t *got,
		     struct err *e)
{
	ssize_t n;

	do {
		n = read(s->fd, to, room);
	} while (n < 0 && errno == EINTR);
	*got = 0;
	if (n < 0)
		return err_set(e, -errno, "%s: cannot read at byte %llu: %s",
			       s->name, (unsigned long long)s->in_bytes,
			       strerror(errno));
	*got = (size_t)n;
	s->in_bytes += (u64)n;
	s->is_in_end = n == 0;
	if (n && s->progress)
		s->progress(s->arg, s->in_bytes);
	return 0;
}

static int damaged(struct stream *s, const char *why, struct err *e)
{
	return err_set(e, -EINVAL, "%s: byte %llu: expected %s data: %s",
		       s->name, (unsigned long long)(s->in_bytes -
		       (s->in_fill - s->in_start)), s->codec->name, why);
}

/* What follows a whole compressed stream: nothing, or the next one. */
static int next_member(struct stream *s, struct err *e)
{
	size_t need = s->codec->magic_bytes;

	while (s->in_fill - s->in_start < need && !s->is_in_end) {
		size_t got;
		int ret;

		memmove(s->in, s->in + s->in_start, s->in_fill - s->in_start);
		s->in_fill -= s->in_start;
		s->in_start = 0;
		ret = read_some(s, s->in + s->in_fill, IN_BYTES - s->in_fill,
				&got, e);
		if (ret)
			return ret;
		s->in_fill += got;
	}
	if (s->in_fill == s->in_start) {
		s->is_end = true;
		return 0;
	}
	if (s->in_fill - s->in_start < need ||
	    memcmp(s->in + s->in_start, s->codec->magic, need))
		return damaged(s, "something else follows its end", e);
	s->codec_state = s->codec->begin(s->codec_state);
	return s->codec_state ? 0 : err_set(e, -ENOMEM, "%s: out of memory",
					    s->name);
}

static int inflate_some(struct stream *s, u8 *to, size_t room, size_t *got,
			struct err *e)
{
	*got = 0;
	while (!*got && !s->is_end) {
		struct span span = { .out = to, .out_bytes = room };
		enum codec_result res;
		const char *why = NULL;
		bool was_end = s->is_in_end;
		size_t n, had;
		int ret;

		if (s->in_start == s->in_fill && !s->is_in_end) {
			s->in_start = 0;
			s->in_fill = 0;
			ret = read_some(s, s->in, IN_BYTES, &n, e);
			if (ret)
				return ret;
			s->in_fill = n;
		}
		span.in = s->in + s->in_start;
		span.in_bytes = had = s->in_fill - s->in_start;
		span.is_last = s->is_in_end;
		res = s->codec->run(s->codec_state, &span, &why);
		s->in_start = s->in_fill - span.in_bytes;
		*got = room - span.out_bytes;
		if (res == CODEC_BAD)
			return damaged(s, why, e);
		if (res == CODEC_END) {
			ret = next_member(s, e);
			if (ret)
				return ret;
		} else if (!*got && was_end) {
			return damaged(s, "truncated, it ends within a stream",
				       e);
		} else if (!*got && had && span.in_bytes == had) {
			return damaged(s, "the decoder is stuck", e);
		}
	}
	return 0;
}

/* A window of twice the size, with zeros in what is new. */
static int widen(struct stream *s, struct err *e)
{
	size_t room = s->room ? 2 * s->room : IN_BYTES;
	u8 *buf = realloc(s->buf, room + SLACK);

	if (!buf)
		return err_set(e, -ENOMEM, "%s: out of memory", s->name);
	memset(buf + s->room, 0, room + SLACK - s->room);
	s->buf = buf;
	s->room = room;
	return 0;
}

int stream_more(struct stream *s, struct err *e)
{
	size_t got;
	int ret;

	if (s->is_end)
		return 0;
	if (s->start) {
		memmove(s->buf, s->buf + s->start, s->fill - s->start);
		s->fill -= s->start;
		s->start = 0;
	}
	if (s->fill == STREAM_BYTES)
		return -ENOBUFS;
	ret = s->fill > s->room / 2 && s->room < STREAM_BYTES ? widen(s, e) : 0;
	if (ret)
		return ret;
	ret = (s->codec ? inflate_some : read_some)(s, s->buf + s->fill,
						    s->room - s->fill, &got, e);
	if (ret)
		return ret;
	s->fill += got;
	if (!s->codec)
		s->is_end = s->is_in_end;
	return 0;
}

/* The first bytes are in the window: compressed, they belong in front of the
 * decompressor instead. */
static int start_codec(struct stream *s, const struct stream_codec *c,
		       struct err *e)
{
	s->in = malloc(IN_BYTES);
	s->codec_state = c->begin(NULL);
	s->codec = c;
	if (!s->in || !s->codec_state)
		return err_set(e, -ENOMEM, "%s: out of memory", s->name);
	memcpy(s->in, s->buf, s->fill);
	s->in_fill = s->fill;
	s->fill = 0;
	s->is_end = false;
	return 0;
}

int stream_open(struct stream *s, int fd, const char *name, struct err *e)
{
	int ret;

	*s = (struct stream){ .fd = fd, .name = name };
	ret = widen(s, e);
	if (ret)
		return ret;
	while (!ret && s->fill < sizeof(codecs[0].magic) && !s->is_end) {
		size_t got;

		/* No more than what fits in front of a decompressor. */
		ret = read_some(s, s->buf + s->fill, IN_BYTES - s->fill, &got,
				e);
		s->fill += got;
		s->is_end = s->is_in_end;
	}
	for (size_t i = 0; i < ARRAY_LEN(codecs) && !ret; i++)
		if (s->fill >= codecs[i].magic_bytes &&
		    !memcmp(s->buf, codecs[i].magic, codecs[i].magic_bytes)) {
			ret = start_codec(s, &codecs[i], e);
			break;
		}
	if (ret)
		stream_close(s);
	return ret;
}

void stream_close(struct stream *s)
{
	if (s->codec_state)
		s->codec->end(s->codec_state);
	free(s->in);
	free(s->buf);
	*s = (struct stream){ 0 };
}
