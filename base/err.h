/* err.h - one line of error text that travels up with a negative errno.
 *
 * Whoever detects a problem fills the text in: the value, what was expected,
 * where (file, line, offset). Whoever can add context prefixes it. Only emu/
 * prints it. Every function that takes a struct err * accepts NULL.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

struct err {
	char text[512];         /* one line, no newline; "" when unset        */
};

/* err_set - write the text and hand @errnum (negative) back, so that
 * `return err_set(e, -EINVAL, "--cpus: %s ...", v);` is the whole idiom.
 * The text is cut, never overrun; line breaks in it become spaces. */
int err_set(struct err *e, int errnum, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* err_prefix - put context in front of the text that is there already.
 * Return: @errnum, unchanged. */
int err_prefix(struct err *e, int errnum, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
