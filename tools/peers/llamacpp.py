"""llama.cpp as a peer: batches of token ids through its C interface, every token's last hidden state back."""
import ctypes
import os

import numpy

# What one call takes. Its attention runs over all tokens of a call, those of other sequences masked, so calls much longer
# than a sequence cost more than they save. From 128 to 512 makes no difference that can be told; 512 is its default, and the
# longest sequence of the models compared.
CALL_TOKENS = 512
# The most sequences that llama.cpp is built for.
CALL_SEQUENCES = 256


def calls(batch, limit):
    """The batch's sequences in runs of at most `limit` tokens."""
    run = []
    for sequence in batch:
        if run and (sum(map(len, run)) + len(sequence) > limit or len(run) == CALL_SEQUENCES):
            yield run
            run = []
        run.append(sequence)
    if run:
        yield run


class LlamaCpp:
    def __init__(self, folder, threads, _):
        import llama_cpp
        self.version, self.library = llama_cpp.__version__, llama_cpp
        # It logs by a callback, which must outlive it.
        self.silent = llama_cpp.llama_log_callback(lambda *_: None)
        llama_cpp.llama_log_set(self.silent, ctypes.c_void_p(0))
        llama_cpp.llama_backend_init()
        model_parameters = llama_cpp.llama_model_default_params()
        self.model = llama_cpp.llama_model_load_from_file(
            os.path.join(folder, "model.gguf").encode(), model_parameters)
        if not self.model:
            raise RuntimeError("llama.cpp cannot load the model")
        parameters = llama_cpp.llama_context_default_params()
        parameters.n_ctx = parameters.n_batch = parameters.n_ubatch = CALL_TOKENS
        parameters.n_seq_max = CALL_SEQUENCES
        parameters.n_threads = parameters.n_threads_batch = threads
        parameters.pooling_type = llama_cpp.LLAMA_POOLING_TYPE_NONE
        parameters.embeddings = True
        # Without it masked scores of other sequences are computed whole, at up to three times the time.
        parameters.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_ENABLED
        self.context = llama_cpp.llama_init_from_model(self.model, parameters)
        if not self.context:
            raise RuntimeError("llama.cpp cannot make a context")
        self.hidden = llama_cpp.llama_model_n_embd(self.model)

    def prepare(self, batch):
        return [self.call(run) for run in calls(batch, CALL_TOKENS)]

    def call(self, sequences):
        """One llama_batch. It is never freed: a worker prepares a workload and ends with it."""
        count = sum(map(len, sequences))
        batch = self.library.llama_batch_init(count, 0, 1)
        batch.n_tokens = count
        place = 0
        for number, sequence in enumerate(sequences):
            for position, token in enumerate(sequence):
                batch.token[place], batch.pos[place] = token, position
                batch.n_seq_id[place], batch.seq_id[place][0] = 1, number
                batch.logits[place] = 1
                place += 1
        return batch

    def run(self, prepared):
        parts = []
        for batch in prepared:
            code = self.library.llama_encode(self.context, batch)
            if code != 0:
                raise RuntimeError(f"llama_encode answered {code}")
            states = self.library.llama_get_embeddings(self.context)
            # Copied: the next call overwrites it.
            parts.append(numpy.ctypeslib.as_array(states, (batch.n_tokens, self.hidden)).copy())
        return parts

    def rows(self, output, batch, _):
        """The last hidden state of each sequence: tokens lie end to end."""
        states = numpy.concatenate(output)
        return numpy.split(states, numpy.cumsum([len(sequence) for sequence in batch])[:-1])
