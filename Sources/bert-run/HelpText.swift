/// What help says besides the options.
enum HelpText {
  static let run = """
    Texts come from the arguments, --input, or standard input, one a line; results go to standard \
    output in the same order, everything else to standard error. A line is answered as soon as the \
    input pauses.

    EXAMPLES:
      bert-run model.bertq "a text" "another text"
      bert-run model.bertq --input texts.txt > vectors.jsonl
      bert-run model.bertq --csv --text-field title --id-field sku --input p.csv \\
        --on-error report --resume vectors.jsonl
      producer | bert-run model.bertq --jsonl --format npy --ids ids.jsonl > v.npy
      bert-run --info model.bertq

    EXIT CODES:
      0 done; 3 the drift gate failed; 4 done, but some texts were not answered; \
    64 wrong usage; 65 malformed; 66 not found; 69 not supported; 71 the system refused; \
    73 the output cannot be written

    ENVIRONMENT:
      BERTQ_KERNELS  the kernel set, as --kernels
      TMPDIR         where an array waits that goes to a pipe
    """
}
