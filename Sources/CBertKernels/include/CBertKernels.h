#ifndef C_BERT_KERNELS_H
#define C_BERT_KERNELS_H
#endif
